"""The local intrinsic dimensionality of all layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.attacks.objectives.base import Batch, Objective
from hfc_tf.attacks.objectives.train import centred
from hfc_tf.detectors.lid import squared_distances
from hfc_tf.errors import InputError
from hfc_tf.taps import Taps

Tensor = Any
_SMALLEST = 1e-12  # of (r_n / r_k)^2
_LARGEST = 1e3  # of an LID


class LID(Objective):
  """J = mean_l LID(f^l(x)),  LID(f) = -(1/k sum_n ln(r_n / r_k))^-1   (TMI Eq. 22).

  The attack of Athalye et al. (2018) on the LID detector; MICCAI Table 3 and TMI Table II, "LID".
  r_n is the distance to the n-th nearest of a batch of Train images drawn once.

  Args:
    train: taps of clean Train images.
    k: neighbours.
    reference: images in the batch.
    layers: whose dimensionality is meant; None for all.
    weight: of J.
    seed: of the batch.

  Raises:
    InputError: unless 1 < k <= reference <= images of Train.
  """

  name = "lid"

  def __init__(
    self,
    train: Taps,
    k: int = 20,
    reference: int = 100,
    layers: Iterable[str] | None = None,
    weight: float = 1.0,
    seed: int = 0,
  ) -> None:
    if not 1 < k <= reference <= len(train):
      raise InputError(
        "1 < k <= reference <= images of Train",
        f"k={k}, reference={reference}, {len(train)} images",
        "lower k or reference",
      )
    self.k = k
    self.weight = weight
    rows = np.random.default_rng(seed).permutation(len(train))[:reference]
    self.center, self.reference = {}, {}
    for name in train.features if layers is None else layers:
      self.center[name], self.reference[name] = centred(train[rows], name)  # [C_l], [R, C_l]
    self._reference = {name: tf.constant(values) for name, values in self.reference.items()}

  @property
  def reads(self) -> dict[str, int | None]:
    """The layers whose features are compared."""
    return {name: center.shape[0] for name, center in self.center.items()}

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J, [B]."""
    return tf.add_n(
      [
        self._dimensionality(squared_distances(features[name] - self.center[name], reference))
        for name, reference in self._reference.items()
      ]
    ) / len(self._reference)

  def _dimensionality(self, squared: Tensor) -> Tensor:
    """LID [B] from squared distances [B, R]."""
    nearest = -tf.math.top_k(-squared, self.k).values  # [B, k], ascending
    farthest = tf.maximum(nearest[:, -1:], 1e-30)
    ratios = tf.maximum(nearest / farthest, _SMALLEST)
    return 1.0 / tf.maximum(-0.5 * tf.reduce_mean(tf.math.log(ratios), 1), 1.0 / _LARGEST)
