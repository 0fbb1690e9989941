"""Kernel density of the penultimate features (Feinman et al.)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from hfc_tf.detectors.base import Array, Detector, Features, Tensor
from hfc_tf.detectors.gaussians import class_means, spread, whitening
from hfc_tf.detectors.learning import AdvTrain, learn_sign, select
from hfc_tf.detectors.lid import squared_distances
from hfc_tf.errors import InputError
from hfc_tf.taps import Taps

METRICS = ("raw", "standardised", "whitened", "compressed")


class KernelDensity(Detector):
  """KD: minus the log density of z(x) under the Train images of the predicted class c.

      KD(x) = -log 1/|X_c| sum_{x' in X_c} exp(-|T z(x) - T z(x')|^2 / (2 h_c^2))

  Eq. 20 of TMI with the mean over the class instead of the sum, so that unequal classes do not
  shift scores. The bandwidth h_c has the greatest likelihood on clean AdvTrain features (the
  classifier has seen Train, whose features lie closer together than new ones).

  What the kernel can see depends on the coordinates T. In raw ones a few loud channels make the
  distance, while an attack shows in the many directions that clean images hardly use; and the
  means of rectified activations vary with their size. T is therefore chosen among

  * raw: z itself;
  * standardised: each channel over its standard deviation on Train;
  * whitened: standardised, then the covariance within classes (Ledoit-Wolf) made the identity;
  * compressed: the same after asinh(z / (0.1 mean |z|)), shrunk by 0.001 only;

  by cross-validation inside AdvTrain. Feinman et al. learn a logistic regression on the density;
  what it adds to a single score, the side that is adversarial, is learnt here too.

  Args:
    metrics: the coordinates to choose from.
    bandwidths: h_c^2 to choose from, relative to the squared distance to the nearest Train image
      per channel (the median over clean AdvTrain images).
    seed: of the folds.
  """

  key = "kd"

  def __init__(
    self,
    metrics: Sequence[str] = METRICS,
    bandwidths: Sequence[float] = tuple(np.logspace(-1.5, 1.5, 13).tolist()),
    seed: int = 0,
  ) -> None:
    self.metrics = metrics
    self.bandwidths = bandwidths
    self.seed = seed

  def _learn(self, train: Taps, data: AdvTrain) -> Array:
    if not self.metrics or not set(self.metrics) <= set(METRICS):
      raise InputError(f"metrics among {METRICS}", str(self.metrics), "name one or more of them")
    tables = {metric: self._tabulate(metric, train, data) for metric in self.metrics}
    predictions = data.taps.predictions

    def bandwidths(metric: str, rows: Array) -> Array:
      """Index of each class's bandwidth `[K]`."""
      likelihoods = tables[metric][1]
      clean = rows[data.is_clean[rows]]
      own = [clean[predictions[clean] == c] for c in range(train.logits.shape[1])]
      best = [likelihoods[:, r if r.size else clean].mean(axis=1).argmax() for r in own]
      return np.array(best)

    def score(metric: str, learn: Array, rows: Array) -> Array:
      return np.asarray(tables[metric][2][bandwidths(metric, learn)[predictions[rows]], rows])

    def fit_score(metric: str, learn: Array, held_out: Array) -> Array:
      return learn_sign(data, score(metric, learn, learn), learn) * score(metric, learn, held_out)

    self.metric_, _ = select(data, list(self.metrics), fit_score, self.seed)
    # Signs of single folds would mix the sides where there is no signal: the threshold takes one.
    _, held_out = select(data, [self.metric_], score, self.seed)
    self.sign_ = learn_sign(data, held_out)
    grid = tables[self.metric_][0]  # [G, K]
    choice = bandwidths(self.metric_, np.arange(len(predictions)))
    self._set_metric(self.metric_, train)
    self.precisions_ = (0.5 / grid[choice, np.arange(len(choice))]).astype(np.float32)  # [K]
    return self.sign_ * held_out

  def _set_metric(self, metric: str, train: Taps) -> None:
    """Learns the coordinates: z -> (asinh(z / soft) or z, minus center) @ matrix."""
    values = train.features[self.layers_[0]]  # [T, C]
    channels = values.shape[1]
    mean = np.abs(values).mean(axis=0, dtype=np.float64)
    self.soft_ = (0.1 * np.maximum(mean, 1e-3 * mean.mean() + 1e-8)).astype(np.float32)
    self.metric_ = metric
    values = np.arcsinh(values / self.soft_) if metric == "compressed" else values
    self.center_ = values.mean(axis=0, dtype=np.float64).astype(np.float32)
    residuals = values - class_means(values, train.labels)[train.labels]
    scale = np.ones(channels) if metric == "raw" else spread(residuals)
    matrix = np.eye(channels)
    if metric in ("whitened", "compressed"):
      matrix = whitening(residuals / scale, 0.001 if metric == "compressed" else None)
    self.matrix_ = (matrix / scale[:, None]).astype(np.float32)  # [C, C]
    self.reference_ = ((values - self.center_) @ self.matrix_).astype(np.float32)  # [T, C]
    self.labels_ = train.labels.astype(np.int32)  # [T]
    self.counts_ = np.bincount(train.labels).astype(np.float32)  # [K]
    self._freeze()

  def _tabulate(self, metric: str, train: Taps, data: AdvTrain) -> tuple[Array, Array, Array]:
    """h^2 `[G, K]`; log-likelihoods and scores of the AdvTrain rows at each `[G, N]`."""
    self._set_metric(metric, train)
    squared = self._run(self._distance_tensor, data.taps)  # [N, T]
    channels = self.reference_.shape[1]
    predictions = data.taps.predictions
    grid = np.ones([len(self.bandwidths), train.logits.shape[1]])
    scores = np.zeros([len(self.bandwidths), len(predictions)])
    likelihoods = np.zeros_like(scores)
    for c in np.unique(predictions):
      rows = np.flatnonzero(predictions == c)
      own = squared[np.ix_(rows, np.flatnonzero(self.labels_ == c))]  # [n, T_c]
      nearest = own.min(axis=1)
      own -= nearest[:, None]  # the largest term of each sum becomes exp(0)
      known = data.is_clean[rows] if data.is_clean[rows].any() else np.full(len(rows), True)
      unit = max(float(np.median(nearest[known])) / channels, 1e-12)
      grid[:, c] = unit * np.asarray(self.bandwidths)
      for g, square in enumerate(grid[:, c]):
        terms = np.exp(np.float32(-0.5 / square) * own)
        density = np.log(terms.mean(axis=1)) - 0.5 / square * nearest
        scores[g, rows] = -density
        likelihoods[g, rows] = density - 0.5 * channels * np.log(square)
    return grid, likelihoods, scores

  def _distance_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """|T z(x) - T z(x')|^2 `[B, T]` to all Train images."""
    tensors = self._tensors
    values = features[self.layers_[0]]
    if self.metric_ == "compressed":
      values = tf.asinh(values / tensors["soft_"])
    return squared_distances(
      tf.matmul(values - tensors["center_"], tensors["matrix_"]), tensors["reference_"]
    )

  def score_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """Minus the log density `[B]`, turned so that adversarials are above."""
    tensors = self._tensors
    predicted = tf.argmax(logits, axis=1, output_type=tf.int32)  # [B]
    exponents = -self._distance_tensor(features, logits) * tf.gather(
      tensors["precisions_"], tensors["labels_"]
    )  # [B, T]
    own = predicted[:, None] == tensors["labels_"]
    density = tf.reduce_logsumexp(tf.where(own, exponents, -np.inf), axis=1)  # [B]
    return -self.sign_ * (density - tf.math.log(tf.gather(tensors["counts_"], predicted)))
