"""Kernel density of the penultimate features, or of any layer's (Feinman et al.)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import tensorflow as tf

from hfc_tf.checked import layer_list
from hfc_tf.detectors.base import Detector, Features
from hfc_tf.detectors.gaussians import class_means, spread, whitening
from hfc_tf.detectors.learning import AdvTrain, learn_sign, select
from hfc_tf.detectors.lid import squared_distances
from hfc_tf.detectors.storage import Array, Tensor
from hfc_tf.errors import InputError
from hfc_tf.taps import Taps

METRICS = ("standardised", "whitened", "compressed")
_BATCH = 256


class KernelDensity(Detector):
  """KD: minus the log density of z(x) under the Train images of the predicted class.

      KD(x) = -log 1/|X_c| sum_{x' in X_c} exp(-|T z(x) - T z(x')|^2 / (2 h_c^2))

  Eq. 20 of TMI with the mean over the class instead of the sum, so that unequal classes do not
  shift scores. The bandwidth h_c has the greatest likelihood on clean AdvTrain features (the
  classifier has seen Train, whose features lie closer together than new ones).

  What the kernel can see depends on the coordinates T. In those of z itself a few loud channels
  make the distance, and their units decide which, while an attack shows in the many directions
  that clean images hardly use; and the means of rectified activations vary with their size. T is
  therefore chosen among

  * standardised: each channel over its standard deviation within the classes of Train;
  * whitened: standardised, then the covariance within classes (Ledoit-Wolf) made the identity;
  * compressed: the same after asinh(z / (0.1 mean |z|)), shrunk by 0.001 only;

  by cross-validation inside AdvTrain. Feinman et al. learn a logistic regression on the density;
  what it adds to a single score, the side that is adversarial, is learnt here too.

  With `layers` every layer gets a density of its own, coordinates, bandwidths and side included:
  these are the layer scores, as in TMI Fig. 6. `score` is that of the last of them.

  Args:
    metrics: the coordinates to choose from.
    bandwidths: h_c^2 to choose from, relative to the squared distance to the nearest Train image
      per channel (the median over clean AdvTrain images).
    layers: names of the layers to read; None for the penultimate one alone.
    seed: of the folds.
  """

  key = "kd"
  per_layer: ClassVar[bool] = True
  metrics_: list[str]
  signs_: list[float]
  soft_: dict[str, Array]
  center_: dict[str, Array]
  matrix_: dict[str, Array]
  reference_: dict[str, Array]
  precisions_: dict[str, Array]

  def __init__(
    self,
    metrics: Sequence[str] = METRICS,
    bandwidths: Sequence[float] = tuple(np.logspace(-1.5, 1.5, 13).tolist()),
    layers: Sequence[str] | None = None,
    seed: int = 0,
  ) -> None:
    self.metrics = metrics
    self.bandwidths = bandwidths
    self.layers = layers
    self.seed = seed

  def _choose_layers(self, train: Taps) -> list[str]:
    return layer_list([train.penultimate] if self.layers is None else self.layers, train)

  def _learn(self, train: Taps, data: AdvTrain) -> Array:
    if not self.metrics or not set(self.metrics) <= set(METRICS):
      raise InputError(f"metrics among {METRICS}", str(self.metrics), "name one or more of them")
    self.labels_ = train.labels.astype(np.int32)  # [T]
    self.counts_ = np.bincount(train.labels).astype(np.float32)  # [K]
    self.metrics_, self.signs_ = [], []
    self.soft_, self.center_, self.matrix_, self.reference_, self.precisions_ = {}, {}, {}, {}, {}
    for name in self.layers_:
      held_out = self._learn_layer(name, train, data)
    return held_out

  def _learn_layer(self, name: str, train: Taps, data: AdvTrain) -> Array:
    """Learns one layer's density; returns its out-of-fold scores `[N]`."""
    values, queries = train.features[name], data.taps.features[name]
    tables = {metric: self._tabulate(metric, values, queries, data) for metric in self.metrics}
    predictions = data.taps.predictions

    def bandwidths(metric: str, rows: Array) -> Array:
      """Index of each class's bandwidth `[K]`."""
      likelihoods = tables[metric][1]
      clean = rows[data.is_clean[rows]]
      own = [clean[predictions[clean] == c] for c in range(len(self.counts_))]
      best = [likelihoods[:, r if r.size else clean].mean(axis=1).argmax() for r in own]
      return np.array(best)

    def score(metric: str, learn: Array, rows: Array) -> Array:
      return np.asarray(tables[metric][2][bandwidths(metric, learn)[predictions[rows]], rows])

    def fit_score(metric: str, learn: Array, held_out: Array) -> Array:
      return learn_sign(data, score(metric, learn, learn), learn) * score(metric, learn, held_out)

    metric, _ = select(data, list(self.metrics), fit_score, self.seed)
    # Signs of single folds would mix the sides where there is no signal: the threshold takes one.
    _, held_out = select(data, [metric], score, self.seed)
    sign = learn_sign(data, held_out)
    choice = bandwidths(metric, np.arange(len(predictions)))
    squares = tables[metric][0][choice, np.arange(len(choice))]  # [K]
    arrays = self._coordinates_of(metric, values)
    self.soft_[name], self.center_[name] = arrays["soft"], arrays["center"]
    self.matrix_[name], self.reference_[name] = arrays["matrix"], arrays["reference"]
    self.precisions_[name] = (0.5 / squares).astype(np.float32)
    self.metrics_.append(metric)
    self.signs_.append(sign)
    return sign * held_out

  def _coordinates_of(self, metric: str, values: Array) -> dict[str, Array]:
    """The coordinates of Train features `[T, C]`, and those features in them."""
    mean = np.abs(values).mean(axis=0, dtype=np.float64)
    soft = np.where(mean > 0, 0.1 * mean, np.inf).astype(np.float32)
    values = np.arcsinh(values / soft) if metric == "compressed" else values
    center = values.mean(axis=0, dtype=np.float64).astype(np.float32)
    residuals = values - class_means(values, self.labels_)[self.labels_]
    scale = spread(values, residuals)
    matrix = np.eye(values.shape[1])
    if metric in ("whitened", "compressed"):
      matrix = whitening(residuals / scale, 0.001 if metric == "compressed" else None)
    matrix = (matrix / scale[:, None]).astype(np.float32)  # [C, C]
    reference = ((values - center) @ matrix).astype(np.float32)  # [T, C]
    return {"soft": soft, "center": center, "matrix": matrix, "reference": reference}

  def _tabulate(
    self, metric: str, values: Array, queries: Array, data: AdvTrain
  ) -> tuple[Array, Array, Array]:
    """h^2 `[G, K]`; log-likelihoods and scores of the AdvTrain rows at each `[G, N]`."""
    arrays = self._coordinates_of(metric, values)
    squared = np.concatenate(
      [
        _squared(metric, queries[start : start + _BATCH], arrays).numpy()
        for start in range(0, len(queries), _BATCH)
      ]
    )  # [N, T]
    channels, predictions = values.shape[1], data.taps.predictions
    grid = np.ones([len(self.bandwidths), len(self.counts_)])
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

  def _layer(self, i: int, features: Features, logits: Tensor) -> Tensor:
    """Minus layer i's log density `[B]`, turned so that adversarials are above."""
    name, tensors = self.layers_[i], self._tensors
    arrays = {
      part: tensors[f"{part}_/{name}"] for part in ("soft", "center", "matrix", "reference")
    }
    predicted = tf.argmax(logits, axis=1, output_type=tf.int32)  # [B]
    precisions = tf.gather(tensors[f"precisions_/{name}"], tensors["labels_"])  # [T]
    exponents = -_squared(self.metrics_[i], features[name], arrays) * precisions  # [B, T]
    own = predicted[:, None] == tensors["labels_"]
    density = tf.reduce_logsumexp(tf.where(own, exponents, -np.inf), axis=1)  # [B]
    return -self.signs_[i] * (density - tf.math.log(tf.gather(tensors["counts_"], predicted)))

  def layer_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """Each layer's score `[B, L]`."""
    columns = [self._layer(i, features, logits) for i in range(len(self.layers_))]
    return tf.stack(columns, axis=1)

  def score_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """The last layer's score `[B]`."""
    return self._layer(len(self.layers_) - 1, features, logits)


def _squared(metric: str, values: Tensor, arrays: Mapping[str, Tensor]) -> Tensor:
  """|T z(x) - T z(x')|^2 `[B, T]` of features `[B, C]` to all Train images."""
  if metric == "compressed":
    values = tf.asinh(values / arrays["soft"])
  turned = tf.matmul(values - arrays["center"], arrays["matrix"])  # [B, C]
  return squared_distances(turned, arrays["reference"])
