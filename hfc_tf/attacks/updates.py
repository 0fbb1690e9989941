"""How a gradient becomes a step: `init` makes the state, `step` uses and renews it."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any


class Sign:
  """x - alpha sign(g), the step of BIM and PGD (TMI Eq. 3)."""

  def init(self, images: Tensor) -> Tensor:
    """The state before the first step; this update keeps none."""
    return tf.zeros([0])

  def step(self, gradient: Tensor, state: Tensor, step_size: Tensor) -> tuple[Tensor, Tensor]:
    """The displacement [B, ...] and the new state."""
    return -step_size * tf.sign(gradient), state
