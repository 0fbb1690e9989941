"""How well a detector sees an attack within predicted class, too high or too low alike.

Opposite classes must not cancel: AUCs of .047, .833 and .703 have the mean .528, yet all three give
the attack away. So each class is folded against its own clean images before the mean is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from hfc_tf.evaluation import metrics
from hfc_tf.evaluation.metrics import Array
from hfc_tf.results.rows import ClassArea


def within_class(
  clean: Array,
  clean_predictions: Array,
  adversarial: Array,
  adversarial_predictions: Array,
  clean_groups: Array,
  adversarial_groups: Array,
  draws: int = 1000,
) -> dict[str, Any]:
  """The fields of a row: the AUC within class, the two-sided one, their intervals, each class.

  Args:
    clean, clean_predictions: scores and predicted classes `[N]`. adversarial,
    adversarial_predictions: `[M]`. clean_groups, adversarial_groups: patients `[N]`, `[M]`.
    draws: of the bootstrap over patients.

  Raises:
    InputError: for scores that are NaN.
  """
  sides = clean, clean_predictions, adversarial, adversarial_predictions
  by_class = class_areas(*sides)
  area, folded = metrics.auc_within_class(*sides, fewest=metrics.FEWEST), two_sided(by_class)
  ends: list[tuple[float, float] | None] = [None, None]
  if folded is not None:
    classes, drawn = metrics.class_draws(*sides, clean_groups, adversarial_groups, draws)
    scored = [each for each in by_class if not each.left_out]
    columns = np.searchsorted(classes, [each.label for each in scored])
    sizes = [
      min(
        len(np.unique(clean_groups[clean_predictions == each.label])),
        len(np.unique(adversarial_groups[adversarial_predictions == each.label])),
      )
      for each in scored
    ]
    areas = np.array([each.auc for each in scored])
    ends = [metrics.mean_interval(drawn), two_sided_interval(areas, drawn[:, columns], sizes)]
  names = ("auc_within_class", "auc_within_class_two_sided")
  fields: dict[str, Any] = dict(zip(names, (area, folded), strict=True))
  for name, interval in zip(names, ends, strict=True):
    fields[f"{name}_low"], fields[f"{name}_high"] = interval or (None, None)
  return {**fields, "by_class": by_class}


def class_areas(
  clean: Array, clean_predictions: Array, adversarial: Array, adversarial_predictions: Array
) -> list[ClassArea]:
  """The AUC of each predicted class; none where a side has fewer than 20 images of it."""
  areas = []
  for label in np.union1d(clean_predictions, adversarial_predictions):
    normal = clean[clean_predictions == label]
    attacked = adversarial[adversarial_predictions == label]
    few = min(len(normal), len(attacked)) < metrics.FEWEST
    area = None if few else metrics.auc(normal, attacked)
    areas.append(ClassArea(int(label), area, len(attacked), len(normal), few))
  return areas


def two_sided(by_class: Sequence[ClassArea]) -> float | None:
  """F = mean over c of max(A_c, 1 - A_c) over the classes that have an AUC; None without any."""
  folded = [max(each.auc, 1.0 - each.auc) for each in by_class if each.auc is not None]
  return float(np.mean(folded)) if folded else None


def two_sided_interval(
  areas: Array, drawn: Array, sizes: Sequence[int], confidence: float = 0.95
) -> tuple[float, float]:
  """The interval of F, corrected for the upward bias of folding.

  F exceeds the mean of the true max(a_c, 1 - a_c), whatever these are, by at most the mean of
  |A_c - a_c|, and by at least that of s_c (A_c - a_c), s_c the side of 1/2 on which a_c lies; the
  bootstrap tells how these are distributed. A class that no draw takes across 1/2 is folded
  without bias and counts with s_c (A_c - a_c) at both ends: then this is the basic interval
  [2F - q(F*), 2F - q(F*)] (Davison and Hinkley, 1997, Eq. 5.6). That one alone, when classes lie
  near 1/2, has its low end above the truth: of ten classes of 25 images without any difference
  half of the time. Where next to nothing lies on the wrong side or all draws are equal, the
  interval holds Clopper and Pearson's, as an AUC varies no more than a share of the smaller side.

  Args:
    areas: A_c `[K]`. drawn: the same in each draw of the bootstrap `[D, K]`; NaN without pairs.
    sizes: patients on the smaller side of each class.
    confidence: coverage.

  Returns:
    The ends, in [0.5, 1] and on both sides of F.
  """
  above = np.where(areas >= 0.5, 1.0, -1.0)  # [K]
  folded = float(np.mean(np.maximum(areas, 1.0 - areas)))
  drawn = drawn[~np.isnan(drawn).all(axis=1)]  # of 20 images a side few draws miss any
  signed = above * (drawn - areas)  # [D, K]
  crosses = (above * (drawn - 0.5) <= 0).any(axis=0)
  most = np.nanmean(np.where(crosses, np.abs(signed), signed), axis=1)
  least = np.nanmean(signed, axis=1)
  tail = (1.0 - confidence) / 2
  low = folded - float(np.quantile(most, 1.0 - tail))
  high = folded - float(np.quantile(least, tail))
  count = 1.0 / np.mean(1.0 / np.array(sizes)) * len(sizes)
  if count * (1.0 - folded) < 1 or np.ptp(most) < 1e-6:
    hits, misses = count * folded, count * (1.0 - folded)
    low = min(low, float(stats.beta.ppf(tail, hits, misses + 1)))
    if misses > 0:
      high = max(high, float(stats.beta.ppf(1.0 - tail, hits + 1, misses)))
  low, high = np.clip([low, high], 0.5, 1.0)
  return min(float(low), folded), max(float(high), folded)
