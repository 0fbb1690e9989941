"""A support vector machine on the penultimate features (SafetyNet)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.svm import SVC

from hfc_tf.detectors.base import Detector, Features
from hfc_tf.detectors.gaussians import spread
from hfc_tf.detectors.learning import ALL, AdvTrain, Array, Tensor, select
from hfc_tf.detectors.lid import squared_distances
from hfc_tf.taps import Taps


@dataclasses.dataclass(eq=False, repr=False)
class SupportVectorMachine(Detector):
  """SVM: decision function of an RBF-SVM on standardised penultimate features.

      score(x) = sum_i alpha_i exp(-gamma |s(x) - s_i|^2) + b

  (Lu et al., ICCV 2017). The scaler s, like all else, is learnt on AdvTrain only.

  Args:
    costs: a value of C, or several to choose from by cross-validation.
    gammas: a value of gamma times the number of channels, or several to choose from.
    seed: of the folds.
  """

  key = "svm"
  per_layer = False
  costs: float | Sequence[float] = (1.0, 10.0, 100.0, 1000.0)
  gammas: float | Sequence[float] = (0.3, 1.0, 3.0)
  seed: int = 0

  def _learn(self, train: Taps, data: AdvTrain) -> Array:
    features = data.taps.features[self.layers_[0]].astype(np.float64)  # [N, C]
    channels = features.shape[1]
    last: dict[bytes, tuple[Array, Array]] = {}

    def fit(candidate: tuple[float, float], rows: Any, distances: Array) -> SVC:
      model = SVC(C=candidate[0], kernel="precomputed", cache_size=500, random_state=self.seed)
      kernel = np.exp(-candidate[1] / channels * distances)
      return model.fit(kernel, data.is_adversarial[rows], sample_weight=data.weights(rows))

    def fit_score(candidate: tuple[float, float], learn: Array, held_out: Array) -> Array:
      # Distances cost more than the fits; every candidate of a fold shares them.
      if learn.tobytes() not in last:
        center, scale = features[learn].mean(axis=0), spread(features[learn])
        known, asked = ((features[rows] - center) / scale for rows in (learn, held_out))
        within = euclidean_distances(known, squared=True)
        last.clear()
        last[learn.tobytes()] = within, euclidean_distances(asked, known, squared=True)
      within, across = last[learn.tobytes()]
      model = fit(candidate, learn, within)
      return np.asarray(model.decision_function(np.exp(-candidate[1] / channels * across)))

    costs, gammas = (np.atleast_1d(each).tolist() for each in (self.costs, self.gammas))
    candidates = [(cost, gamma) for gamma in gammas for cost in costs]
    best, held_out = select(data, candidates, fit_score, self.seed)
    center, scale = features.mean(axis=0), spread(features)
    scaled = (features - center) / scale
    model = fit(best, ALL, euclidean_distances(scaled, squared=True))
    self.cost_, self.gamma_ = best[0], best[1] / channels
    self.center_ = center.astype(np.float32)
    self.scale_ = scale.astype(np.float32)
    self.support_ = scaled[model.support_].astype(np.float32)  # [S, C]
    self.dual_ = model.dual_coef_.T.astype(np.float32)  # [S, 1]
    self.intercept_ = model.intercept_.astype(np.float32)  # [1]
    return held_out

  def score_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """The decision function `[B]`."""
    tensors = self._tensors
    scaled = (features[self.layers_[0]] - tensors["center_"]) / tensors["scale_"]  # [B, C]
    kernel = tf.exp(-self.gamma_ * squared_distances(scaled, tensors["support_"]))  # [B, S]
    return tf.matmul(kernel, tensors["dual_"])[:, 0] + tensors["intercept_"]
