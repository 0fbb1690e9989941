"""Learning from AdvTrain without fooling oneself: weights, folds, selection, a logistic head."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from hfc_tf.errors import InputError
from hfc_tf.evaluation.metrics import auc_within_class
from hfc_tf.inputs import batches
from hfc_tf.taps import TappedModel, Taps

Array = npt.NDArray[Any]
Tensor = Any
ALL = slice(None)  # of the rows
Candidate = TypeVar("Candidate")
FitScore = Callable[[Candidate, Array, Array], Array]


def balanced_weights(predictions: Array, is_adversarial: Array) -> Array:
  """Weights float64 `[N]` under which the predicted classes int `[N]` carry no signal.

  Every pair (predicted class, adversarial or not) weighs the same in sum; the mean weight is 1.
  Classes that only one kind was predicted as weigh nothing: there the class would be the answer.
  Where that leaves nothing, the kinds alone are balanced.
  """
  both = np.intersect1d(predictions[is_adversarial], predictions[~is_adversarial])
  if not both.size:
    return np.asarray(compute_sample_weight("balanced", is_adversarial))
  weights = np.zeros(len(predictions))
  for c in both:
    for kind in (False, True):
      cell = (predictions == c) & (is_adversarial == kind)
      weights[cell] = 1.0 / cell.sum()
  return np.asarray(weights * len(weights) / weights.sum())


@dataclasses.dataclass(frozen=True, eq=False)
class AdvTrain:
  """The rows a detector learns from: clean, noisy and adversarial AdvTrain images, in this order.

  Attributes:
    taps: of all rows `[N]`.
    is_clean: bool `[N]`. is_adversarial: bool `[N]`; noisy rows are neither.
    groups: int `[N]`; rows of one group never straddle folds.
    counts: the kinds that are there, "clean", "noisy" and "adversarial", and their rows.
    model, images: of detectors that read images: the classifier, and the kinds' images `[n, ...]`.
  """

  taps: Taps
  is_clean: Array
  is_adversarial: Array
  groups: Array
  counts: Mapping[str, int]
  model: TappedModel | None = None
  images: tuple[Any, ...] = ()

  @staticmethod
  def of(clean: Taps, noisy: Taps | None, adversarial: Taps) -> AdvTrain:
    """Puts the kinds together; one without groups has those of the clean images row by row.

    Raises:
      InputError: too few images, noisy images without noise, no groups where rows do not tell
        which images belong together, or no class that clean and adversarial images are both
        predicted as.
    """
    kinds = {"clean": clean, "noisy": noisy, "adversarial": adversarial}
    given = {kind: taps for kind, taps in kinds.items() if taps is not None and len(taps)}
    weak = "the attack is too weak (raise eps or steps), or the images are too few"
    for kind, taps, remedy in (
      ("clean", clean, "give more images"),
      ("adversarial", adversarial, weak),
    ):
      count = len(taps) if taps.groups is None else np.unique(taps.groups).size
      if count < 10:
        expected = f"at least ten {kind} AdvTrain images (of different groups)"
        raise InputError(expected, str(count), remedy)
    if noisy is not None and np.array_equal(noisy.logits, clean.logits):
      raise InputError(
        "noisy AdvTrain images", "copies of the clean ones", "add noise or leave noisy out"
      )
    if not np.intersect1d(clean.predictions, adversarial.predictions).size:
      raise InputError(
        "a class that clean and adversarial AdvTrain images are both predicted as",
        f"clean {np.unique(clean.predictions)}, adversarial {np.unique(adversarial.predictions)}",
        "give AdvTrain images of every class and their targeted adversarials",
      )
    counts = {kind: len(taps) for kind, taps in given.items()}
    rows = np.repeat(list(counts), list(counts.values()))  # the kind of each
    groups = np.concatenate([_groups(kind, given) for kind in given])
    taps = Taps.concatenate(list(given.values()))
    return AdvTrain(taps, rows == "clean", rows == "adversarial", groups, counts)

  def with_images(self, model: TappedModel | None, images: Mapping[str, Any]) -> AdvTrain:
    """The same rows with their images by kind: arrays, or Datasets of batches.

    Raises:
      InputError: no model, or not an image for every row.
    """
    arrays = [_array(images.get(kind)) for kind in self.counts]
    counts = list(map(len, arrays))
    if model is None or counts != list(self.counts.values()):
      raise InputError(
        f"the classifier and {' + '.join(map(str, self.counts.values()))} AdvTrain images, "
        "one for each row of the taps",
        f"{'no' if model is None else 'a'} classifier, "
        f"{' + '.join(map(str, filter(None, counts))) or 0} images",
        "pass model= and images= to fit",
      )
    return dataclasses.replace(self, model=model, images=tuple(arrays))

  def weights(self, rows: Any) -> Array:
    """`balanced_weights` of some rows."""
    return balanced_weights(self.taps.predictions[rows], self.is_adversarial[rows])

  def area(self, rows: Any, scores: Array) -> float:
    """AUC within class of scores of some rows; 0.5 where no class has both kinds."""
    predictions, adversarial = self.taps.predictions[rows], self.is_adversarial[rows]
    area = auc_within_class(
      scores[~adversarial], predictions[~adversarial], scores[adversarial], predictions[adversarial]
    )
    return 0.5 if area is None else area

  def folds(self, splits: int = 5, seed: int = 0) -> Iterator[tuple[Array, Array]]:
    """(learning rows, held-out rows) per fold: stratified by class and kind, grouped, seeded."""
    cells = self.taps.predictions * 2 + self.is_adversarial
    splitter = StratifiedGroupKFold(splits, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
      warnings.filterwarnings("ignore", "The least populated class", UserWarning)
      yield from splitter.split(cells, cells, self.groups)


def _groups(kind: str, given: Mapping[str, Taps]) -> Array:
  """Groups `[n]` of a kind's rows, or else of the clean images that they were made of."""
  taps, clean = given[kind], given["clean"]
  if taps.groups is not None and clean.groups is not None:
    return np.asarray(taps.groups)
  if taps.groups is not None or len(taps) != len(clean):
    raise InputError(
      f"groups that tell which clean image each {kind} AdvTrain image was made of",
      ", ".join(
        f"{len(each)} {name} {'without' if each.groups is None else 'with'} groups"
        for name, each in given.items()
      ),
      "pass model.taps(images, groups=...) one number for a clean image and all made of it, "
      "e.g. np.arange(N) and np.flatnonzero(fooled)",
    )
  return np.arange(len(clean)) if clean.groups is None else np.asarray(clean.groups)


def _array(images: Any) -> Any:
  """Images `[N, ...]` of an array, a Dataset of batches or None."""
  if isinstance(images, tf.data.Dataset):
    return np.concatenate([batch for batch, _ in batches(images, 256)] or [()])
  return () if images is None else images


def select(
  data: AdvTrain, candidates: Sequence[Candidate], fit_score: FitScore[Candidate], seed: int = 0
) -> tuple[Candidate, Array]:
  """Chooses among candidates by the within-class AUC of their out-of-fold scores.

  Areas are compared to three digits; of equal ones the first candidate wins, so list the plainest
  first.

  Args:
    fit_score: (candidate, learning rows, held-out rows) -> scores of the held-out rows, having
      learnt from nothing but the learning rows.

  Returns:
    The best candidate and its out-of-fold scores `[N]`.
  """
  scores = np.zeros([len(candidates), len(data.taps)])
  for learn, held_out in data.folds(seed=seed):
    for i, candidate in enumerate(candidates):
      scores[i, held_out] = fit_score(candidate, learn, held_out)
  best = int(np.argmax([round(data.area(ALL, row), 3) for row in scores]))
  return candidates[best], scores[best]


def learn_sign(data: AdvTrain, values: Array, rows: Any = ALL) -> float:
  """Which side of a score of some rows is adversarial: 1 above, -1 below."""
  return 1.0 if data.area(rows, values) >= 0.5 else -1.0


def fit_logistic(
  values: Array, is_adversarial: Array, weights: Array, regularisation: float
) -> dict[str, Array]:
  """Scaler and logistic regression over layer scores `[N, L]`, with scikit-learn's C.

      score = ((values - mean) / scale) @ coefficients + intercept

  Returns:
    float32 mean `[L]`, scale `[L]`, coefficients `[L, 1]`, intercept `[]`.
  """
  scaler = StandardScaler().fit(values)
  model = LogisticRegression(C=regularisation, solver="newton-cholesky", max_iter=200)
  model.fit(scaler.transform(values), is_adversarial, sample_weight=weights)
  arrays = {
    "mean": scaler.mean_,
    "scale": scaler.scale_,
    "coefficients": model.coef_.T,
    "intercept": model.intercept_[0],
  }
  return {name: np.asarray(value, np.float32) for name, value in arrays.items()}


def logistic_score(head: Mapping[str, Any], values: Any) -> Any:
  """Score `[B]` of layer scores `[B, L]` by a head of `fit_logistic`; arrays or tensors alike."""
  standardised = (values - head["mean"]) / head["scale"]  # [B, L]
  return (standardised @ head["coefficients"])[:, 0] + head["intercept"]


def learn_logistic(
  data: AdvTrain,
  layer_scores: Mapping[Candidate, Array],
  regularisations: Sequence[float],
  seed: int = 0,
) -> tuple[Candidate, dict[str, Array], Array]:
  """A logistic head over layer scores; their variant and C are chosen by cross-validation.

  Args:
    layer_scores: variant -> layer scores of the AdvTrain rows `[N, L]`.
    regularisations: values of C to choose from, strongest first.

  Returns:
    The variant, its head, and the out-of-fold scores `[N]`.
  """

  def fit(candidate: tuple[Candidate, float], rows: Any) -> dict[str, Array]:
    values = layer_scores[candidate[0]][rows]
    return fit_logistic(values, data.is_adversarial[rows], data.weights(rows), candidate[1])

  def fit_score(candidate: tuple[Candidate, float], learn: Array, held_out: Array) -> Array:
    return np.asarray(logistic_score(fit(candidate, learn), layer_scores[candidate[0]][held_out]))

  candidates = [(variant, c) for variant in layer_scores for c in regularisations]
  best, scores = select(data, candidates, fit_score, seed)
  return best[0], fit(best, ALL), scores
