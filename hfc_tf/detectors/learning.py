"""Learning from AdvTrain without fooling oneself: weights, folds, selection, the side."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils.class_weight import compute_sample_weight

from hfc_tf.errors import InputError
from hfc_tf.evaluation.metrics import auc_within_class
from hfc_tf.taps import TappedModel, Taps

Array = npt.NDArray[Any]
Candidate = TypeVar("Candidate")


def balanced_weights(predictions: Array, is_adversarial: Array) -> Array:
  """Weights under which the predicted class carries no signal.

  Every pair (predicted class, adversarial or not) weighs the same in sum; the mean weight is 1.
  Classes that only one kind was predicted as weigh nothing: there the class would be the answer.
  Where that leaves nothing, the kinds alone are balanced.

  Args:
    predictions: predicted classes, int `[N]`.
    is_adversarial: bool `[N]`.

  Returns:
    float64 `[N]`.
  """
  both = np.intersect1d(predictions[is_adversarial], predictions[~is_adversarial])
  if not both.size:
    return np.asarray(compute_sample_weight("balanced", is_adversarial))
  weights = np.zeros(len(predictions))
  for c in both:
    cells = [(predictions == c) & (is_adversarial == kind) for kind in (False, True)]
    for cell in cells:
      weights[cell] = 1.0 / cell.sum()
  return np.asarray(weights * len(weights) / weights.sum())


@dataclasses.dataclass(frozen=True, eq=False)
class AdvTrain:
  """The rows a detector learns from: clean, noisy and adversarial AdvTrain images, in this order.

  Attributes:
    taps: of all rows `[N]`.
    is_clean: bool `[N]`.
    is_adversarial: bool `[N]`; noisy rows are neither.
    groups: int `[N]`; rows of one group never straddle folds.
    model, images: of detectors that read images: the classifier, and the parts' images `[n, ...]`.
  """

  taps: Taps
  is_clean: Array
  is_adversarial: Array
  groups: Array
  model: TappedModel | None = None
  images: tuple[Array, ...] = ()

  @staticmethod
  def of(clean: Taps, noisy: Taps | None, adversarial: Taps) -> AdvTrain:
    """Puts the parts together.

    A part without groups has those of the clean images row by row.

    Raises:
      InputError: too few images, noisy images without noise, no groups where rows do not tell
        which images belong together, or no class that clean and adversarial images are both
        predicted as.
    """
    parts = {"clean": clean, "noisy": noisy, "adversarial": adversarial}
    given = {name: part for name, part in parts.items() if part is not None and len(part)}
    for name, remedy in (
      ("clean", "give more images"),
      ("adversarial", "the attack is too weak (raise eps or steps), or the images are too few"),
    ):
      part = given.get(name)
      count = 0 if part is None else len(part)
      if part is not None and part.groups is not None:
        count = np.unique(part.groups).size
      if count < 10:
        expected = f"at least ten {name} AdvTrain images (of different groups)"
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
    kinds = np.repeat(list(given), [len(part) for part in given.values()])
    groups = np.concatenate([_groups(name, part, given) for name, part in given.items()])
    taps = Taps.concatenate(list(given.values()))
    return AdvTrain(taps, kinds == "clean", kinds == "adversarial", groups)

  def with_images(self, model: TappedModel | None, images: Sequence[Any]) -> AdvTrain:
    """The same rows with their images, in the order of the parts.

    Raises:
      InputError: no model, or not an image for every row.
    """
    arrays = [array for array in map(_array_of, images) if array is not None and len(array)]
    kinds = (self.is_clean, ~(self.is_clean | self.is_adversarial), self.is_adversarial)
    rows, found = [int(kind.sum()) for kind in kinds if kind.any()], [len(each) for each in arrays]
    if model is None or found != rows:
      raise InputError(
        f"the classifier and {' + '.join(map(str, rows))} AdvTrain images, "
        "one for each row of the taps",
        f"{'no' if model is None else 'a'} classifier, {' + '.join(map(str, found)) or 0} images",
        "pass model= and images= to fit",
      )
    return dataclasses.replace(self, model=model, images=tuple(arrays))

  def weights(self, rows: Array) -> Array:
    """`balanced_weights` of some rows."""
    return balanced_weights(self.taps.predictions[rows], self.is_adversarial[rows])

  def area(self, rows: Array, scores: Array) -> float:
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


def _groups(name: str, part: Taps, parts: Mapping[str, Taps]) -> Array:
  """Of a part's rows `[n]`: its own, or else those of the clean images it was made of."""
  clean = parts["clean"]
  if part.groups is not None and clean.groups is not None:
    return np.asarray(part.groups)
  if part.groups is not None or len(part) != len(clean):
    counts = ", ".join(
      f"{len(each)} {kind} {'without' if each.groups is None else 'with'} groups"
      for kind, each in parts.items()
    )
    raise InputError(
      f"groups that tell which clean image each {name} AdvTrain image was made of",
      counts,
      "pass model.taps(images, groups=...) one number for a clean image and all made of it, "
      "e.g. np.arange(N) and np.flatnonzero(fooled)",
    )
  return np.arange(len(clean)) if clean.groups is None else np.asarray(clean.groups)


def _array_of(images: Any) -> Any:
  """Images `[N, ...]` of an array, or of a Dataset of batches of images or (images, labels)."""
  if not isinstance(images, tf.data.Dataset):
    return images
  batches = [each[0] if isinstance(each, tuple) else each for each in images.as_numpy_iterator()]
  return np.concatenate(batches) if batches else None


FitScore = Callable[[Candidate, Array, Array], Array]


def select(
  data: AdvTrain, candidates: Sequence[Candidate], fit_score: FitScore[Candidate], seed: int = 0
) -> tuple[Candidate, Array]:
  """Chooses among candidates by the within-class AUC of their out-of-fold scores.

  Areas are compared to three digits; of equal ones the first candidate wins, so list the plainest
  first.

  Args:
    data: AdvTrain.
    candidates: hyperparameters to choose from.
    fit_score: (candidate, learning rows, held-out rows) -> scores of the held-out rows, having
      learnt from nothing but the learning rows.
    seed: of the folds.

  Returns:
    The best candidate and its out-of-fold scores `[N]`.
  """
  scores = np.zeros([len(candidates), len(data.taps)])
  for learn, held_out in data.folds(seed=seed):
    for i, candidate in enumerate(candidates):
      scores[i, held_out] = fit_score(candidate, learn, held_out)
  everything = np.arange(len(data.taps))
  best = int(np.argmax([round(data.area(everything, row), 3) for row in scores]))
  return candidates[best], scores[best]


def learn_sign(data: AdvTrain, values: Array, rows: Array | None = None) -> float:
  """Which side of a single score is adversarial: 1 above, -1 below.

  Args:
    data: AdvTrain.
    values: one score for each row `[n]`.
    rows: AdvTrain rows that `values` belong to `[n]`; None for all.
  """
  return 1.0 if data.area(np.arange(len(values)) if rows is None else rows, values) >= 0.5 else -1.0
