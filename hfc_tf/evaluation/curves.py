"""ROC curves, pooled or within predicted class."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics

Array = npt.NDArray[Any]


def roc_curve(
  clean: Array,
  adversarial: Array,
  clean_predicted: Array | None = None,
  adversarial_predicted: Array | None = None,
) -> tuple[Array, Array, float]:
  """False positive rates, true positive rates and the area, within class where classes are given.

  The within-class curve is the mean over c of the curves of the adversarials predicted c against
  the clean images predicted c; its area is the mean of theirs.

  Args:
    clean, adversarial: scores, [n] and [m].
    clean_predicted, adversarial_predicted: predicted classes, [n] and [m].

  Raises:
    ValueError: no class has both clean and adversarial images.
  """
  if clean_predicted is None or adversarial_predicted is None:
    clean_predicted, adversarial_predicted = np.zeros(len(clean)), np.zeros(len(adversarial))
  curves = []
  for c in np.intersect1d(clean_predicted, adversarial_predicted):
    normal, attacked = clean[clean_predicted == c], adversarial[adversarial_predicted == c]
    truth = np.repeat([0, 1], [len(normal), len(attacked)])
    scores = np.concatenate([normal, attacked])
    curves.append(metrics.roc_curve(truth, scores, drop_intermediate=False)[:2])
  if not curves:
    raise ValueError("no class has both clean and adversarial images")
  area = float(np.mean([metrics.auc(fpr, tpr) for fpr, tpr in curves]))
  # Taken at every step of every curve; interp keeps the upper end of a vertical step, so that the
  # mean is a staircase too (without ties exactly) and is drawn as one.
  grid = np.unique(np.concatenate([fpr for fpr, _ in curves]))
  rates = np.mean([np.interp(grid, fpr, tpr) for fpr, tpr in curves], axis=0)
  return np.append(0.0, grid), np.append(0.0, rates), area
