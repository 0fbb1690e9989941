"""Features like those of a guide image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from hfc_tf.attacks.draws import uniform
from hfc_tf.attacks.objectives.base import Batch, Objective
from hfc_tf.attacks.objectives.train import centred, refuse_missing_classes
from hfc_tf.detectors.lid import squared_distances
from hfc_tf.errors import InputError
from hfc_tf.taps import Taps

Tensor = Any


class Guide(Objective):
  """J = mean_l |f^l(x) - f^l(guide)|^2 / v_l, the guide a Train image of the target class.

  Sabour et al. (2016); MICCAI Table 3 and TMI Table II, "Random" and "Closest". v_l, the variance
  of the layer's features on Train (summed over channels), makes layers weigh alike.

  Args:
    train: labelled taps of clean Train images.
    choice: "random", drawn for each sample, or "closest" by the same distance to the features of
      the clean image.
    layers: whose features are to be alike; None for the penultimate one.
    weight: of J.

  Raises:
    InputError: for another choice, a layer or a class that `train` lacks.
  """

  name = "guide"
  toward_target = True

  def __init__(
    self,
    train: Taps,
    choice: str = "random",
    layers: Iterable[str] | None = None,
    weight: float = 1.0,
  ) -> None:
    if choice not in ("random", "closest"):
      raise InputError("a guide 'random' or 'closest'", repr(choice), "pass one of them")
    refuse_missing_classes(train)
    self.choice = choice
    self.layers = [train.penultimate] if layers is None else list(layers)
    self.reads_clean = choice == "closest"
    self.weight = weight
    self.labels = train.labels
    self._labels = tf.constant(train.labels)  # [T]
    self.center, self.reference, self.variance = {}, {}, {}
    for name in self.layers:
      self.center[name], self.reference[name] = centred(train, name)
      self.variance[name] = max(float((self.reference[name] ** 2).sum(1).mean()), 1e-12)
    self._reference = {name: tf.constant(values) for name, values in self.reference.items()}

  @property
  def reads(self) -> dict[str, int | None]:
    """The layers whose features are compared."""
    return {name: center.shape[0] for name, center in self.center.items()}

  def prepare(self, batch: Batch) -> dict[str, Tensor]:
    """The guides' features less the mean, by layer, [B, C_l]."""
    own = self._labels == batch.targets[0]  # [T]
    if self.choice == "closest":
      distances = tf.add_n(
        [
          squared_distances(values, self._reference[name]) / self.variance[name]
          for name, values in self._centred(batch.features).items()
        ]
      )  # [B, T]
      chosen = tf.argmin(tf.where(own, distances, distances.dtype.max), 1)
    else:
      drawn = uniform(batch.ids, 1, batch.seed, tf.constant(-1))  # [B, 1]
      rank = tf.cumsum(tf.cast(own, tf.int32))  # [T], 1 ... n within the class
      wanted = 1 + tf.cast(drawn * tf.cast(rank[-1], tf.float32), tf.int32)
      chosen = tf.argmax(tf.cast(own & (rank == tf.minimum(wanted, rank[-1])), tf.int32), 1)
    return {name: tf.gather(values, chosen) for name, values in self._reference.items()}

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J, [B]."""
    centred_features = self._centred(features)
    distances = [
      tf.reduce_sum((centred_features[name] - guide) ** 2, 1) / self.variance[name]
      for name, guide in state.items()
    ]
    return tf.add_n(distances) / len(distances)

  def _centred(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: features[name] - self.center[name] for name in self.layers}
