"""Deep k-nearest neighbours: do Train images that look alike inside agree with the prediction?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from sklearn.model_selection import train_test_split

from hfc_tf.detectors.base import Detector, Features
from hfc_tf.detectors.learning import AdvTrain, Array, Tensor, select
from hfc_tf.detectors.lid import stratified_rows
from hfc_tf.errors import InputError
from hfc_tf.taps import Taps


@dataclasses.dataclass(eq=False, repr=False)
class NearestNeighbors(Detector):
  """DkNN: one minus the credibility of the classifier's prediction.

      a(x, c)   = sum_l |{i among the k nearest of x in layer l: y_i != c}|
      credibility(x) = |{a in A: a >= a(x, c)}| / |A|,   c the predicted class

  (Papernot and McDaniel, 2018.) The neighbours are Train images, near by the cosine of the
  standardised features; A are the nonconformities a(x, y) of Train images kept out of the
  reference. Equal credibilities are put in order by the nonconformity itself. The score moves in
  steps; `attacked_tensor` has the gradient of a smooth stand-in.

  Args:
    k: number of neighbours, or several to choose from by cross-validation inside AdvTrain.
    reference_size: at most so many reference images, drawn in proportion of the classes.
    calibration: share of Train that is kept for A.
    layers: see `Detector`.
    seed: see `Detector`.
  """

  key = "knn"
  differentiable = False
  k: int | Sequence[int] = (10, 25, 50)
  reference_size: int = 1000
  calibration: float = 0.2
  layers: Sequence[str] | None = None
  seed: int = 0

  def _learn(self, train: Taps, data: AdvTrain) -> Array:
    choices = [self.k] if isinstance(self.k, int) else list(self.k)
    classes = self.num_classes_
    if not classes <= self.calibration * len(train) <= len(train) - classes:
      raise InputError(
        f"Train images of {classes} classes on both sides of the share {self.calibration:g}",
        f"{len(train)} images",
        "give more Train images or another calibration share",
      )
    known, asked = train_test_split(
      np.arange(len(train)),
      test_size=self.calibration,
      stratify=train.labels,
      random_state=self.seed,
    )
    known = known[stratified_rows(train.labels[known], self.reference_size, self.seed)]
    if not 1 <= min(choices) <= max(choices) <= len(known):
      raise InputError(
        f"between 1 and {len(known)} neighbours, the number of reference images",
        str(choices),
        "lower k or give more Train images",
      )
    self.labels_ = train.labels[known].astype(np.int32)  # [R]
    self._learn_scale(train, train)
    self.reference_ = {  # [R, C]
      n: self._unit(n, train.features[n][known]).numpy() for n in self.layers_
    }
    truth = np.eye(classes, dtype=np.float32)[train.labels]
    labelled = dataclasses.replace(train, logits=truth)[asked]  # the class asked about is the label
    scores, nonconformities = {}, {}
    for self.k_ in choices:
      counts = self._run(self._counts, labelled).sum(axis=1)  # [A]
      self.nonconformities_ = nonconformities[self.k_] = np.sort(counts).astype(np.float32)
      scores[self.k_] = self._run(self.score_tensor, data.taps)
    self.k_, held_out = select(data, choices, lambda k, _, rows: scores[k][rows], self.seed)
    self.nonconformities_ = nonconformities[self.k_]
    return held_out

  def _unit(self, name: str, features: Tensor) -> Tensor:
    """A layer's standardised features `[B, C]`, rows of length one."""
    return tf.math.l2_normalize(self._standard(name, features), axis=1, epsilon=1e-12)

  def attacked_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """The score, with the gradient of sum_l sum_i w_i [y_i != c] (straight through; Sitawarin and
    Wagner, 2019), w the softmax over Train images of their cosines, as sharp as k neighbours."""
    predicted = tf.argmax(logits, axis=1, output_type=tf.int32)
    others = tf.cast(self._tensors["labels_"][None] != predicted[:, None], tf.float32)  # [B, R]
    soft = tf.add_n([
      tf.reduce_sum(self._soft(name, features[name]) * others, axis=1) for name in self.layers_
    ])  # fmt: skip
    return self.score_tensor(features, logits) + (soft - tf.stop_gradient(soft))

  def _soft(self, name: str, features: Tensor) -> Tensor:
    """Weights of the reference images `[B, R]`, which fall by e from the nearest to the k-th."""
    reference = self._tensors["reference_"][name]
    cosines = tf.matmul(self._unit(name, features), reference, transpose_b=True)
    nearest = tf.math.top_k(cosines, self.k_).values
    width = tf.stop_gradient(nearest[:, :1] - nearest[:, -1:])
    return tf.nn.softmax(cosines / tf.maximum(width, 1e-3), axis=1)

  def _counts(self, features: Features, logits: Tensor) -> Tensor:
    """Neighbours of another class than the predicted one, float32 `[B, L]`, whole numbers."""
    predicted = tf.argmax(logits, axis=1, output_type=tf.int32)  # [B]
    columns = []
    for name in self.layers_:
      reference = self._tensors["reference_"][name]
      cosines = tf.matmul(self._unit(name, features[name]), reference, transpose_b=True)  # [B, R]
      nearest = tf.math.top_k(cosines, self.k_).indices  # [B, k]
      others = tf.gather(self._tensors["labels_"], nearest) != predicted[:, None]
      columns.append(tf.reduce_sum(tf.cast(others, tf.float32), axis=1))
    return tf.stack(columns, axis=1)

  def layer_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """Share of neighbours of another class `[B, L]`."""
    return self._counts(features, logits) / self.k_

  def join(self, layers: Tensor) -> Tensor:
    """One minus the credibility `[B]`, plus less than what one calibration image changes."""
    known = self._tensors["nonconformities_"]  # [A]
    count = tf.reduce_sum(tf.round(layers * self.k_), axis=1)  # [B]
    below = tf.cast(tf.searchsorted(known, count, side="left"), tf.float32)
    most = float(self.k_ * len(self.layers_))
    return below / known.shape[0] + count / (most * (known.shape[0] + 1))
