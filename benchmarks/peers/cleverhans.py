"""CleverHans's PGD for TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from cleverhans.tf2.attacks.projected_gradient_descent import projected_gradient_descent

from benchmarks.peers.base import Array, KerasLoop


class CleverHans(KerasLoop):
  """As its users call it."""

  def __init__(self, job: dict[str, Any]) -> None:
    super().__init__(job)
    self._images, self._targets = tf.constant(self.images), tf.constant(self.targets)

  def attack(self, steps: int) -> Array:
    """The images after so many steps, [B, H, W, C]."""
    adversarials = projected_gradient_descent(
      self.model,
      self._images,
      self.eps,
      self.step_size,
      steps,
      np.inf,
      clip_min=0.0,
      clip_max=1.0,
      y=self._targets,
      targeted=True,
    )
    return np.asarray(adversarials)


def start(job: dict[str, Any]) -> CleverHans:
  """The loop of a job."""
  return CleverHans(job)
