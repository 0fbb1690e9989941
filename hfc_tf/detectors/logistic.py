"""One score of several layers' by a logistic regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from hfc_tf.detectors.learning import AdvTrain, Array, Candidate, select


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
