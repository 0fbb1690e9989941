"""Foolbox's PGD for TensorFlow."""

from __future__ import annotations

from typing import Any

import foolbox
import numpy as np
import tensorflow as tf

from benchmarks.peers.base import Array, KerasLoop


class Foolbox(KerasLoop):
  """As its users call it."""

  def __init__(self, job: dict[str, Any]) -> None:
    super().__init__(job)
    self._model = foolbox.TensorFlowModel(self.model, bounds=(0, 1))
    self._images = tf.constant(self.images)
    self._criterion = foolbox.criteria.TargetedMisclassification(tf.constant(self.targets))

  def attack(self, steps: int) -> Array:
    """The images after so many steps, [B, H, W, C]."""
    attack = foolbox.attacks.LinfPGD(abs_stepsize=self.step_size, steps=steps, random_start=False)
    _, clipped, _ = attack(self._model, self._images, self._criterion, epsilons=self.eps)
    return np.asarray(clipped)


def start(job: dict[str, Any]) -> Foolbox:
  """The loop of a job."""
  return Foolbox(job)
