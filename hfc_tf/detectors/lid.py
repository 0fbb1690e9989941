"""Local intrinsic dimensionality of all layers (Ma et al.)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from sklearn.model_selection import train_test_split

from hfc_tf.detectors.base import REGULARISATIONS, Detector, Features
from hfc_tf.detectors.learning import AdvTrain, Array, Tensor, learn_logistic
from hfc_tf.errors import InputError
from hfc_tf.taps import Taps


@dataclasses.dataclass(eq=False, repr=False)
class LocalIntrinsicDimensionality(Detector):
  """LID: how fast neighbours gather around a feature, per layer, joined by logistic regression.

      LID(f_l(x)) = -(1/k sum_n log(r_n / r_k))^-1                                 (Eq. 22 of TMI)

  r_n is the Euclidean distance to the n-th nearest of a fixed reference drawn once from Train,
  stratified by label, of features in units of their spread on Train. No neighbour is dropped:
  queries are not in the reference. Distances of zero count as a tiny share of r_k, so that a query
  that is in the reference stays finite, and LIDs end at 1000.

  Args:
    k: number of neighbours, or several to choose from by cross-validation, as Ma et al.
      (ICLR 2018) do.
    reference_size: number of reference images.
    layers: see `Detector`.
    regularisations: see `Detector`.
    seed: see `Detector`.
  """

  key = "lid"
  k: int | Sequence[int] = (20, 10)
  reference_size: int = 100
  layers: Sequence[str] | None = None
  regularisations: Sequence[float] = REGULARISATIONS
  seed: int = 0

  def _learn(self, train: Taps, data: AdvTrain) -> Array:
    choices = [self.k] if isinstance(self.k, int) else list(self.k)
    if not 1 < max(choices) <= self.reference_size <= len(train):
      raise InputError(
        f"at least {self.reference_size} Train images and as many as {max(choices)} neighbours",
        f"{len(train)} Train images, a reference of {self.reference_size}",
        "lower reference_size or k",
      )
    reference = train[stratified_rows(train.labels, self.reference_size, self.seed)]
    # Centred, so that |a|^2 - 2ab + |b|^2 keeps its digits in float32.
    self._learn_scale(train, reference)
    self.reference_ = {  # [R, C]
      name: self._standard(name, reference.features[name]).numpy() for name in self.layers_
    }
    scores = {}
    for self.k_ in choices:
      scores[self.k_] = self._run(self.layer_tensor, data.taps)
    self.k_, self.head_, held_out = learn_logistic(data, scores, self.regularisations, self.seed)
    return held_out

  def layer_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """LID `[B, L]` of each layer."""
    columns = []
    for name in self.layers_:
      reference = self._tensors["reference_"][name]
      squared = squared_distances(self._standard(name, features[name]), reference)  # [B, R]
      nearest = -tf.math.top_k(-squared, self.k_).values  # [B, k], ascending
      last = tf.maximum(nearest[:, -1:], 1e-30)
      ratios = tf.maximum(nearest / last, 1e-12)  # (r_n / r_k)^2
      columns.append(1.0 / tf.maximum(-0.5 * tf.reduce_mean(tf.math.log(ratios), axis=1), 1e-3))
    return tf.stack(columns, axis=1)


def stratified_rows(labels: Array, size: int, seed: int) -> Array:
  """At most so many rows, drawn in proportion of the classes."""
  rows = np.arange(len(labels))
  if size < len(labels) - np.unique(labels).size:
    rows, _ = train_test_split(rows, train_size=size, stratify=labels, random_state=seed)
  return np.asarray(rows[:size])


def squared_distances(values: Tensor, reference: Tensor) -> Tensor:
  """|a - b|^2 `[B, R]` of rows a `[B, C]` and b `[R, C]`, never negative."""
  squared = tf.reduce_sum(values**2, 1)[:, None] + tf.reduce_sum(reference**2, 1)
  return tf.maximum(squared - 2.0 * tf.matmul(values, reference, transpose_b=True), 0.0)
