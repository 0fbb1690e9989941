"""Mahalanobis distances of all layers to the closest class (Lee et al.)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
import tensorflow as tf

from hfc_tf.detectors.base import REGULARISATIONS, Detector, Features
from hfc_tf.detectors.gaussians import class_means, spread, whitening
from hfc_tf.detectors.learning import AdvTrain, Array, Tensor, learn_logistic
from hfc_tf.taps import Taps


@dataclasses.dataclass(eq=False, repr=False)
class Mahalanobis(Detector):
  """MAHA: squared Mahalanobis distance per layer, joined by a logistic regression.

      MAHA(f_l(x)) = min_c (f_l(x) - mu_{l,c})' S_l^-1 (f_l(x) - mu_{l,c})

  with the means of the classes and one covariance S_l, tied over classes, of the Train images (Lee
  et al., NeurIPS 2018; their step on the image is in `SteppedMahalanobis`). Its correlations are
  shrunk after Ledoit and Wolf, so that the units of channels play no part. `mean="single"` is
  Eq. 23 of TMI as printed: one mean and one covariance for each layer.

  Args:
    mean: "class" or "single".
    layers: see `Detector`.
    regularisations: see `Detector`.
    seed: see `Detector`.
  """

  key = "maha"
  mean: Literal["class", "single"] = "class"
  layers: Sequence[str] | None = None
  regularisations: Sequence[float] = REGULARISATIONS
  seed: int = 0

  def _learn(self, train: Taps, data: AdvTrain) -> Array:
    self._learn_normal(train)
    scores = {self.mean: self._run(self.layer_tensor, data.taps)}
    _, self.head_, held_out = learn_logistic(data, scores, self.regularisations, self.seed)
    return held_out

  def _learn_normal(self, train: Taps) -> None:
    """Means and covariances of Train."""
    labels = train.labels if self.mean == "class" else np.zeros_like(train.labels)
    self.center_, self.whitening_, self.means_ = {}, {}, {}
    for name in self.layers_:
      values = train.features[name]
      means = class_means(values, labels)  # [K, C]
      center = means.mean(axis=0)
      residuals = values - means[labels]
      scale = spread(values, residuals)
      matrix = whitening(residuals / scale) / scale[:, None]
      self.center_[name] = center.astype(np.float32)
      self.whitening_[name] = matrix.astype(np.float32)
      self.means_[name] = ((means - center) @ matrix).astype(np.float32)
    self._freeze()

  def _distance(self, name: str, features: Tensor) -> Tensor:
    """Squared distance `[B]` of a layer's features `[B, C]` to the closest class."""
    center, matrix, means = (
      self._tensors[array][name] for array in ("center_", "whitening_", "means_")
    )
    gaps = ((features - center) @ matrix)[:, None, :] - means  # [B, K, C]
    return tf.reduce_min(tf.reduce_sum(gaps**2, axis=2), axis=1)

  def layer_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """Squared distances `[B, L]` to the closest class."""
    return tf.stack([self._distance(name, features[name]) for name in self.layers_], axis=1)
