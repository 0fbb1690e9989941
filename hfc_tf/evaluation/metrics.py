"""Areas, rates and their intervals: how well scores tell adversarials from clean images.

Scores are numbers `[N]` of clean images and `[M]` of adversarials, higher = more adversarial;
predictions are the classes that the classifier gives them. Areas and rates are fractions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from hfc_tf.errors import InputError

Array = npt.NDArray[Any]
FEWEST = 20  # images of a class on each side, below which no AUC within class is said


def auc(clean: Array, adversarial: Array) -> float | None:
  """Area under the ROC curve, P(adversarial > clean) + P(equal) / 2; None where a side is empty.

  By ranks, as Mann and Whitney's U; scikit-learn's checks take most of the time on small samples.

  Raises:
    InputError: for scores that are NaN, which are neither above nor below others.
  """
  clean, adversarial = _ordered(clean), _ordered(adversarial)
  if not len(clean) or not len(adversarial):
    return None
  ranks = stats.rankdata(np.concatenate([clean, adversarial]))  # scores may be infinite
  above = ranks[len(clean) :].sum() - len(adversarial) * (len(adversarial) + 1) / 2
  return float(above / (len(clean) * len(adversarial)))


def auc_within_class(
  clean: Array,
  clean_predictions: Array,
  adversarial: Array,
  adversarial_predictions: Array,
  fewest: int = 1,
) -> float | None:
  """Mean over classes c of the AUC of adversarials predicted c against clean images predicted c.

  A score that reads nothing but the predicted class gets 0.5 here, whatever the mix of classes.
  None where no class is predicted at least `fewest` times on both sides.
  """
  sides = [
    (clean[clean_predictions == c], adversarial[adversarial_predictions == c])
    for c in np.intersect1d(clean_predictions, adversarial_predictions)
  ]
  if max((min(map(len, pair)) for pair in sides), default=0) < fewest:
    return None
  return float(np.mean([auc(*pair) for pair in sides]))


def two_sided(area: float | None) -> float | None:
  """max(AUC, 1 - AUC): scores far below the clean ones give an attack away as well."""
  return None if area is None else max(area, 1.0 - area)


def threshold_at_tnr(clean: Array, tnr: float = 0.9) -> float:
  """The smallest score that at least `tnr` of the clean scores do not exceed.

  A score that is NaN exceeds nothing.

  Raises:
    InputError: without clean scores, or where the threshold would not be finite.
  """
  clean = _scores(clean)
  if not len(clean):
    raise InputError("clean scores", "none", "give at least one clean image")
  lowest = np.where(np.isnan(clean), -np.inf, clean)
  threshold = float(np.quantile(lowest, tnr, method="inverted_cdf"))
  if not np.isfinite(threshold):
    wrong = int((~np.isfinite(clean)).sum())
    raise InputError(
      "finite clean scores", f"NaN or infinity in {wrong} of {len(clean)}", "mend the detector"
    )
  return threshold


def tpr_at_tnr(
  clean: Array, adversarial: Array, tnr: float = 0.9, threshold: float | None = None
) -> float | None:
  """Share of adversarials above the score that keeps `tnr` of the clean images; None without any.

  With the threshold of these clean scores, AUC >= tnr * TPR always holds. A score that is NaN
  never counts as caught.

  Args:
    clean: scores `[N]`. adversarial: scores `[M]`.
    tnr: the true negative rate to keep.
    threshold: one learnt elsewhere (AdvTrain); None takes it from `clean`.
  """
  adversarial = _scores(adversarial)
  if not len(adversarial):
    return None
  threshold = threshold_at_tnr(clean, tnr) if threshold is None else threshold
  return float(np.mean(adversarial > threshold))


def wilson(successes: int, total: int, confidence: float = 0.95) -> tuple[float, float] | None:
  """Wilson's interval of a rate; None where nothing was counted."""
  if not total:
    return None
  interval = stats.binomtest(successes, total).proportion_ci(confidence, method="wilson")
  return float(interval.low), float(interval.high)


def paired_difference(first: Array, second: Array) -> tuple[float, float, float]:
  """Rate of the first less that of the second, bool `[N]` of the same images, and its 95 % ends.

  Of the images that only one of the two has, both shares with Wilson's intervals of 97.5 %: wider
  than need be, and not empty where the two agree on all images.
  """
  only = [int(np.sum(one & ~other)) for one, other in ((first, second), (second, first))]
  ends = [wilson(count, len(first), 0.975) or (0.0, 1.0) for count in only]
  value = (only[0] - only[1]) / max(len(first), 1)
  return value, ends[0][0] - ends[1][1], ends[0][1] - ends[1][0]


def bootstrap_auc_within_class(
  clean: Array,
  clean_predictions: Array,
  adversarial: Array,
  adversarial_predictions: Array,
  clean_groups: Array,
  adversarial_groups: Array,
  *,
  draws: int = 1000,
  confidence: float = 0.95,
  seed: int = 0,
) -> tuple[float, float] | None:
  """Percentile interval of `auc_within_class`, resampling groups (patients), not rows.

  None where no draw has both sides of a class. Arguments as of `class_draws`; `confidence` is the
  coverage of the interval.

  Raises:
    InputError: for scores that are NaN.
  """
  classes = clean_predictions, adversarial_predictions
  _, areas = class_draws(
    clean, classes[0], adversarial, classes[1], clean_groups, adversarial_groups, draws, seed
  )
  return mean_interval(areas, confidence)


def mean_interval(areas: Array, confidence: float = 0.95) -> tuple[float, float] | None:
  """Percentile interval of the mean over classes of draws `[D, K]`; None where all are NaN."""
  there = ~np.isnan(areas)
  count = there.sum(1)  # [D]
  if not count.any():
    return None
  means = np.where(there, areas, 0.0).sum(1)[count > 0] / count[count > 0]
  tail = 50.0 * (1.0 - confidence)
  low, high = np.percentile(means, [tail, 100.0 - tail])
  return float(low), float(high)


def class_draws(
  clean: Array,
  clean_predictions: Array,
  adversarial: Array,
  adversarial_predictions: Array,
  clean_groups: Array,
  adversarial_groups: Array,
  draws: int = 1000,
  seed: int = 0,
) -> tuple[Array, Array]:
  """Classes predicted on both sides `[K]`, and resampled AUCs of each `[D, K]`, NaN without pairs.

  A drawn group (patient) brings its clean images and its adversarials with the same multiplicity.
  The pairs of rows are compared once, `above [N, M]`; a draw is the quadratic form of its
  multiplicities.

  Args:
    clean: scores `[N]`.
    clean_predictions: classes `[N]`.
    adversarial: scores `[M]`.
    adversarial_predictions: classes `[M]`.
    clean_groups: `[N]`.
    adversarial_groups: `[M]`, in the same numbering.
    draws: number of resamples. seed: of the resamples.

  Raises:
    InputError: for scores that are NaN.
  """
  clean, adversarial = _ordered(clean), _ordered(adversarial)
  classes = np.intersect1d(clean_predictions, adversarial_predictions)
  areas = np.full((draws, len(classes)), np.nan)
  if not len(classes):
    return classes, areas
  names, index = np.unique(np.concatenate([clean_groups, adversarial_groups]), return_inverse=True)
  rng = np.random.default_rng(seed)
  times = rng.multinomial(len(names), np.full(len(names), 1.0 / len(names)), draws)  # [D, G]
  times = times.astype(np.float32)
  clean_times, adversarial_times = times[:, index[: len(clean)]], times[:, index[len(clean) :]]
  for place, c in enumerate(classes):
    rows, columns = clean_predictions == c, adversarial_predictions == c
    high, low = adversarial[columns][None, :], clean[rows][:, None]
    above = 0.5 * ((high > low).astype(np.float32) + (high >= low))  # [N_c, M_c]
    left, right = clean_times[:, rows], adversarial_times[:, columns]  # [D, N_c], [D, M_c]
    pairs = left.sum(1) * right.sum(1)
    some = pairs > 0
    areas[some, place] = np.einsum("dm,dm->d", left @ above, right)[some] / pairs[some]
  return classes, areas


def bootstrap_auc(
  clean: Array, adversarial: Array, clean_groups: Array, adversarial_groups: Array, **options: Any
) -> tuple[float, float] | None:
  """Percentile interval of the pooled `auc`; options as of `bootstrap_auc_within_class`."""
  one_class = np.zeros(len(clean)), np.zeros(len(adversarial))
  return bootstrap_auc_within_class(
    clean, one_class[0], adversarial, one_class[1], clean_groups, adversarial_groups, **options
  )


def _scores(scores: Any) -> Array:
  """Numbers `[N]`."""
  array = np.asarray(scores)
  if array.ndim != 1 or (array.size and array.dtype.kind not in "fiub"):
    actual = f"shape {array.shape} of {array.dtype}"
    raise InputError("scores of shape (N,), numbers", actual, "give one score an image")
  return array


def _ordered(scores: Any) -> Array:
  """Numbers `[N]`, none of them NaN."""
  array = _scores(scores)
  if array.dtype.kind == "f" and np.isnan(array).any():
    actual = f"NaN in {np.isnan(array).sum()} of {len(array)}"
    raise InputError("scores that can be put in order", actual, "mend the detector")
  return array
