"""Kernel density of the penultimate features, or of any layer's (Feinman et al.)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import tensorflow as tf

from hfc_tf.checked import layer_list
from hfc_tf.detectors.base import Detector, Features
from hfc_tf.detectors.gaussians import class_means, spread, whitening
from hfc_tf.detectors.learning import AdvTrain, Array, Tensor, learn_sign, select
from hfc_tf.detectors.lid import squared_distances
from hfc_tf.errors import InputError
from hfc_tf.taps import Taps

METRICS = ("standardised", "whitened", "compressed")
_RAW = "raw"  # z itself, of Eq. 20
_BATCH = 256


@dataclasses.dataclass(eq=False, repr=False)
class KernelDensity(Detector):
  """KD: minus the log density of z(x) under the Train images of the predicted class.

      KD(x) = -log 1/|X_c| sum_{x' in X_c} exp(-|T z(x) - T z(x')|^2 / (2 h_c^2))

  Eq. 20 of TMI with the mean over the class instead of the sum, so that unequal classes do not
  shift scores; `form="eq20"` is the equation as printed, see below. The bandwidth h_c has the
  greatest likelihood on clean AdvTrain features (the classifier has seen Train, whose features lie
  closer together than new ones).

  What the kernel can see depends on the coordinates T. In those of z itself a few loud channels
  make the distance, and their units decide which, while an attack shows in the many directions
  that clean images hardly use; and the means of rectified activations vary with their size. T is
  therefore chosen among

  * standardised: each channel over its standard deviation within the classes of Train;
  * whitened: standardised, then the covariance within classes (Ledoit-Wolf) made the identity;
  * compressed: the same after asinh(z / (0.1 mean |z|)), shrunk by 0.001 only;

  by cross-validation inside AdvTrain. Feinman et al. learn a logistic regression on the density;
  what it adds to a single score, the side that is adversarial, is learnt here too.

  Eq. 20 as printed is the sum, of z itself, and a low density is adversarial:

      KD(x) = -log sum_{x' in X_c} exp(-|z(x) - z(x')|^2 / (2 h_c^2))

  where the logarithm keeps the order and h_c, which the paper does not tell, is chosen as above.
  It depends on the units of channels.

  With `layers` every layer gets a density of its own, coordinates, bandwidths and side included:
  these are the layer scores, as in TMI Fig. 6. `score` is that of the last of them.

  Args:
    metrics: the coordinates to choose from.
    bandwidths: h_c^2 to choose from, relative to the squared distance to the nearest Train image
      per channel (the median over clean AdvTrain images).
    layers: names of the layers to read; None for the penultimate one alone.
    seed: of the folds.
    form: "chosen", with the coordinates and the side that fit AdvTrain; or "eq20", which has none
      of `metrics`.
  """

  key = "kd"
  metrics: Sequence[str] = METRICS
  bandwidths: Sequence[float] = tuple(np.logspace(-1.5, 1.5, 13).tolist())
  layers: Sequence[str] | None = None
  seed: int = 0
  form: Literal["chosen", "eq20"] = "chosen"

  def _choose_layers(self, train: Taps) -> list[str]:
    return layer_list([train.penultimate] if self.layers is None else self.layers, train)

  def _learn(self, train: Taps, data: AdvTrain) -> Array:
    if not self.metrics or not set(self.metrics) <= set(METRICS):
      raise InputError(f"metrics among {METRICS}", str(self.metrics), "name one or more of them")
    if self.form not in ("chosen", "eq20"):
      raise InputError("form 'chosen' or 'eq20'", repr(self.form), "pass one of them")
    self.labels_ = train.labels.astype(np.int32)  # [T]
    counts = np.bincount(train.labels).astype(np.float32)
    self.counts_ = np.ones_like(counts) if self.form == "eq20" else counts  # 1: no mean, [K]
    layers = [
      self._learn_layer(train.features[name], data.taps.features[name], data)
      for name in self.layers_
    ]
    self.metrics_ = [metric for metric, *_ in layers]
    self.signs_ = [sign for _, sign, *_ in layers]
    for key in layers[0][2]:
      arrays = {name: layer[2][key] for name, layer in zip(self.layers_, layers, strict=True)}
      setattr(self, f"{key}_", arrays)
    return layers[-1][3]

  def _learn_layer(
    self, values: Array, queries: Array, data: AdvTrain
  ) -> tuple[str, float, dict[str, Array], Array]:
    """A layer's coordinates, side, arrays and out-of-fold scores `[N]`."""
    metrics = [_RAW] if self.form == "eq20" else list(self.metrics)
    tables = {metric: self._tabulate(metric, values, queries, data) for metric in metrics}
    predictions = data.taps.predictions

    def bandwidths(metric: str, rows: Array) -> Array:
      """Index of each class's bandwidth `[K]`."""
      likelihoods = tables[metric][1]
      clean = rows[data.is_clean[rows]]
      classes = [clean[predictions[clean] == c] for c in range(len(self.counts_))]
      return np.array(
        [likelihoods[:, r if r.size else clean].mean(axis=1).argmax() for r in classes]
      )

    def score(metric: str, learn: Array, rows: Array) -> Array:
      return np.asarray(tables[metric][2][bandwidths(metric, learn)[predictions[rows]], rows])

    def fit_score(metric: str, learn: Array, held_out: Array) -> Array:
      return learn_sign(data, score(metric, learn, learn), learn) * score(metric, learn, held_out)

    metric, _ = select(data, metrics, fit_score, self.seed)
    # Signs of single folds would mix the sides where there is no signal: the threshold takes one.
    _, held_out = select(data, [metric], score, self.seed)
    sign = 1.0 if self.form == "eq20" else learn_sign(data, held_out)
    choice = bandwidths(metric, np.arange(len(predictions)))
    squares = tables[metric][0][choice, np.arange(len(choice))]  # [K]
    precisions = (0.5 / squares).astype(np.float32)
    arrays = {**self._coordinates(metric, values), "precisions": precisions}
    return metric, sign, arrays, sign * held_out

  def _coordinates(self, metric: str, values: Array) -> dict[str, Array]:
    """The coordinates of Train features `[T, C]`, and those features in them."""
    mean = np.abs(values).mean(axis=0, dtype=np.float64)
    soft = np.where(mean > 0, 0.1 * mean, np.inf).astype(np.float32)
    values = np.arcsinh(values / soft) if metric == "compressed" else values
    center = values.mean(axis=0, dtype=np.float64).astype(np.float32)
    residuals = values - class_means(values, self.labels_)[self.labels_]
    scale = np.ones(values.shape[1]) if metric == _RAW else spread(values, residuals)
    matrix = np.eye(values.shape[1])
    if metric not in (_RAW, "standardised"):
      matrix = whitening(residuals / scale, 0.001 if metric == "compressed" else None)
    matrix = (matrix / scale[:, None]).astype(np.float32)  # [C, C]
    reference = ((values - center) @ matrix).astype(np.float32)  # [T, C]
    return {"soft": soft, "center": center, "matrix": matrix, "reference": reference}

  def _tabulate(
    self, metric: str, values: Array, queries: Array, data: AdvTrain
  ) -> tuple[Array, Array, Array]:
    """h^2 `[G, K]`; log-likelihoods and scores of the AdvTrain rows at each `[G, N]`."""
    arrays = self._coordinates(metric, values)
    starts = range(0, len(queries), _BATCH)
    squared = np.concatenate([_squared(metric, queries[i : i + _BATCH], arrays) for i in starts])
    channels, predictions = values.shape[1], data.taps.predictions
    grid = np.ones([len(self.bandwidths), len(self.counts_)])
    scores = np.zeros([len(self.bandwidths), len(predictions)])
    for c in np.unique(predictions):
      rows = np.flatnonzero(predictions == c)
      distances = squared[np.ix_(rows, np.flatnonzero(self.labels_ == c))]  # [n, T_c]
      nearest = distances.min(axis=1)
      distances -= nearest[:, None]  # the largest term of each sum becomes exp(0)
      known = data.is_clean[rows] if data.is_clean[rows].any() else np.full(len(rows), True)
      unit = max(float(np.median(nearest[known])) / channels, 1e-12)
      grid[:, c] = unit * np.asarray(self.bandwidths)
      for g, square in enumerate(grid[:, c]):
        terms = np.exp(np.float32(-0.5 / square) * distances)
        total = terms.sum(axis=1) / self.counts_[c]
        scores[g, rows] = 0.5 / square * nearest - np.log(total)
    return grid, -scores - 0.5 * channels * np.log(grid[:, predictions]), scores

  def layer_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """Minus each layer's log density `[B, L]`, turned so that adversarials are above."""
    predicted = tf.argmax(logits, axis=1, output_type=tf.int32)  # [B]
    labels, count = self._tensors["labels_"], tf.gather(self._tensors["counts_"], predicted)
    columns = []
    for name, metric, sign in zip(self.layers_, self.metrics_, self.signs_, strict=True):
      arrays = {
        key: self._tensors[f"{key}_"][name]
        for key in ("soft", "center", "matrix", "reference", "precisions")
      }
      precisions = tf.gather(arrays["precisions"], labels)  # [T]
      exponents = -_squared(metric, features[name], arrays) * precisions  # [B, T]
      same_class = tf.where(predicted[:, None] == labels, exponents, -np.inf)
      columns.append(-sign * (tf.reduce_logsumexp(same_class, axis=1) - tf.math.log(count)))
    return tf.stack(columns, axis=1)

  def join(self, layers: Tensor) -> Tensor:
    """The last layer's score `[B]`."""
    return layers[:, -1]


def _squared(metric: str, values: Tensor, arrays: Mapping[str, Tensor]) -> Tensor:
  """|T z(x) - T z(x')|^2 `[B, T]` of features `[B, C]` to all Train images."""
  if metric == "compressed":
    values = tf.asinh(values / arrays["soft"])
  turned = tf.matmul(values - arrays["center"], arrays["matrix"])  # [B, C]
  return squared_distances(turned, arrays["reference"])
