"""The kernel density of a class."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from sklearn.neighbors import NearestNeighbors

from hfc_tf.attacks.objectives.base import Batch, Objective
from hfc_tf.attacks.objectives.train import centred, refuse_missing_classes
from hfc_tf.detectors.lid import squared_distances
from hfc_tf.errors import InputError
from hfc_tf.taps import Taps

Tensor = Any


class KDE(Objective):
  """J = -ln 1/|X_c| sum_{x' in X_c} exp(-|z(x) - z(x')|^2 / (2 h^2)), X_c Train images of class c.

  The attack of Carlini and Wagner (2017) on the kernel density detector (TMI Eq. 20), with the
  mean over the target class c in place of the sum; MICCAI Table 3 and TMI Table II, "KDE".

  Args:
    train: labelled taps of clean Train images; z are penultimate features.
    bandwidth: h in units of z; None for the median distance between a Train image and its nearest
      neighbour.
    weight: of J.

  Raises:
    InputError: for a bandwidth that is not positive, a class that `train` lacks.
  """

  name = "kde"
  toward_target = True

  def __init__(self, train: Taps, bandwidth: float | None = None, weight: float = 1.0) -> None:
    refuse_missing_classes(train)
    self.layer = train.penultimate
    self.center, self.reference = centred(train, self.layer)  # [C], [T, C]
    if bandwidth is None:
      nearest, _ = NearestNeighbors(n_neighbors=1).fit(self.reference).kneighbors()
      bandwidth = float(np.median(nearest))
    if not bandwidth > 0:
      raise InputError("a bandwidth > 0", f"{bandwidth}", "pass bandwidth=1.0")
    self.bandwidth = bandwidth
    self.weight = weight
    self.labels = train.labels
    self._reference, self._labels = tf.constant(self.reference), tf.constant(train.labels)

  @property
  def reads(self) -> dict[str, int | None]:
    """The penultimate layer."""
    return {self.layer: len(self.center)}

  def prepare(self, batch: Batch) -> Tensor:
    """Which Train images are of the target class, bool [T]."""
    return self._labels == batch.targets[0]

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J, [B]."""
    squared = squared_distances(features[self.layer] - self.center, self._reference)  # [B, T]
    exponents = tf.where(state, squared / (-2.0 * self.bandwidth**2), squared.dtype.min)
    count = tf.reduce_sum(tf.cast(state, squared.dtype))
    return tf.math.log(count) - tf.reduce_logsumexp(exponents, 1)
