"""Learning from AdvTrain without fooling oneself: weights, folds, selection, logistic heads."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import StandardScaler
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

    Without groups, rows that can be paired by their index (equal lengths) share one.

    Raises:
      InputError: too few images, noisy images without noise, or no class that clean and adversarial
        images are both predicted as.
    """
    parts = [clean, *([] if noisy is None else [noisy]), adversarial]
    for name, part in (("clean", clean), ("adversarial", adversarial)):
      count = len(part) if part.groups is None else np.unique(part.groups).size
      if count < 10:
        raise InputError(
          f"at least ten {name} AdvTrain images (of different groups)",
          str(count),
          "give more images or a stronger attack",
        )
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
    kinds = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    if all(part.groups is not None for part in parts):
      groups = np.concatenate([part.groups for part in parts if part.groups is not None])
    else:
      paired = [len(part) == len(clean) for part in parts]
      starts = [
        0 if same else len(clean) + sum(map(len, parts[:i])) for i, same in enumerate(paired)
      ]
      groups = np.concatenate([s + np.arange(len(p)) for s, p in zip(starts, parts, strict=True)])
    return AdvTrain(Taps.concatenate(parts), kinds == 0, kinds == len(parts) - 1, groups)

  def with_images(self, model: TappedModel | None, images: Sequence[Any]) -> AdvTrain:
    """The same rows with their images, in the order of the parts.

    Raises:
      InputError: no model, or not an image for every row.
    """
    count = sum(0 if part is None else len(part) for part in images)
    if model is None or count != len(self.taps):
      raise InputError(
        f"the classifier and {len(self.taps)} AdvTrain images, one for each row of the taps",
        f"{'no' if model is None else 'a'} classifier, {count} images",
        "pass model= and images= to fit",
      )
    return dataclasses.replace(self, model=model, images=tuple(images))

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


def fit_logistic(
  values: Array, is_adversarial: Array, weights: Array, regularisation: float
) -> dict[str, Array]:
  """Scaler and logistic regression over layer scores, as float32 arrays.

      score = ((values - mean) / scale) @ coefficients + intercept

  Args:
    values: layer scores `[N, L]`.
    is_adversarial: bool `[N]`.
    weights: `[N]`.
    regularisation: scikit-learn's C; smaller is stronger.

  Returns:
    mean `[L]`, scale `[L]`, coefficients `[L, 1]`, intercept `[]`.
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


def logistic_score(head: dict[str, Any], values: Any) -> Any:
  """Score `[B]` of layer scores `[B, L]` by a head of `fit_logistic`; arrays or tensors alike."""
  standardised = (values - head["mean"]) / head["scale"]  # [B, L]
  return (standardised @ head["coefficients"])[:, 0] + head["intercept"]


def learn_logistic(
  data: AdvTrain,
  layer_scores: dict[Candidate, Array],
  regularisations: Sequence[float],
  seed: int = 0,
) -> tuple[Candidate, dict[str, Array], Array]:
  """A logistic head over layer scores; their variant and C are chosen by cross-validation.

  Args:
    data: AdvTrain.
    layer_scores: variant -> layer scores of the AdvTrain rows `[N, L]`.
    regularisations: values of C to choose from, strongest first.
    seed: of the folds.

  Returns:
    The variant, its head, and the out-of-fold scores `[N]`.
  """

  def fit(candidate: tuple[Candidate, float], rows: Array) -> dict[str, Array]:
    variant, regularisation = candidate
    values = layer_scores[variant][rows]
    return fit_logistic(values, data.is_adversarial[rows], data.weights(rows), regularisation)

  def fit_score(candidate: tuple[Candidate, float], learn: Array, held_out: Array) -> Array:
    head = fit(candidate, learn)
    return np.asarray(logistic_score(head, layer_scores[candidate[0]][held_out]))

  candidates = [(variant, c) for variant in layer_scores for c in regularisations]
  best, scores = select(data, candidates, fit_score, seed)
  return best[0], fit(best, np.arange(len(data.taps))), scores


def learn_sign(data: AdvTrain, values: Array, rows: Array | None = None) -> float:
  """Which side of a single score is adversarial: 1 above, -1 below.

  Args:
    data: AdvTrain.
    values: one score for each row `[n]`.
    rows: AdvTrain rows that `values` belong to `[n]`; None for all.
  """
  return 1.0 if data.area(np.arange(len(values)) if rows is None else rows, values) >= 0.5 else -1.0
