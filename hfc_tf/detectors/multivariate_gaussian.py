"""A multivariate Gaussian of the penultimate features (Li and Zhu)."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from hfc_tf.detectors.base import Detector, Features
from hfc_tf.detectors.gaussians import class_means, spread, whitening
from hfc_tf.detectors.learning import AdvTrain, Array, Tensor
from hfc_tf.taps import Taps


@dataclasses.dataclass(eq=False, repr=False)
class MultivariateGaussian(Detector):
  """MGM: minus the log density of z(x) under one Gaussian of the predicted class.

      MGM(x) = -ln N(z(x) | mu_c, S_c),   c the predicted class

  (Li and Zhu, ISBI 2020.) Mean and covariance are those of the class's Train images, features in
  units of their spread within classes, the covariance shrunk after Ledoit and Wolf. Only the
  threshold is learnt on AdvTrain, and on clean images alone: the detector knows no attack.

  Args:
    seed: none is needed; every detector takes one.
  """

  key = "mgm"
  per_layer = False
  seed: int = 0

  def _learn(self, train: Taps, data: AdvTrain) -> Array:
    values = train.features[train.penultimate]  # [T, C]
    means = class_means(values, train.labels)  # [K, C]
    residuals = values - means[train.labels]
    scale = spread(values, residuals)
    matrices = [whitening(residuals[train.labels == c] / scale) for c in range(len(means))]
    # |S| = |W|^-2, and W is triangular.
    volumes = np.array([-2.0 * np.log(np.diagonal(matrix)).sum() for matrix in matrices])
    offset = 0.5 * (volumes + values.shape[1] * np.log(2 * np.pi))
    self.means_ = means.astype(np.float32)
    self.whitening_ = (np.stack(matrices) / scale[:, None]).astype(np.float32)  # [K, C, C]
    self.offset_ = offset.astype(np.float32)  # [K]
    return self._run(self.score_tensor, data.taps)

  def score_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """Minus the log density `[B]`."""
    gaps = features[self.layers_[0]][None] - self._tensors["means_"][:, None]  # [K, B, C]
    squared = tf.reduce_sum(tf.matmul(gaps, self._tensors["whitening_"]) ** 2, axis=2)  # [K, B]
    densities = 0.5 * tf.transpose(squared) + self._tensors["offset_"]  # [B, K]
    return tf.gather(densities, tf.argmax(logits, axis=1), batch_dims=1)
