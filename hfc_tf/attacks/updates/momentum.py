"""Momentum."""

from __future__ import annotations

import tensorflow as tf

from hfc_tf.attacks.updates.base import Here, Tensor, Update


class Momentum(Update):
  """m_{t+1} = decay m_t + g / |g|_1, x - alpha sign(m_{t+1})   (Dong et al., CVPR 2018).

  Args:
    decay: of past gradients; 0 gives `Sign`.
  """

  def __init__(self, decay: float = 1.0) -> None:
    self.decay = decay

  def init(self, start: Tensor, terms: int, step_size: Tensor, steps: Tensor) -> Tensor:
    """m_0 = 0, [B, ...]."""
    return tf.zeros_like(start)

  def step(self, here: Here, state: Tensor) -> tuple[Tensor, Tensor]:
    """The next point and m_{t+1}."""
    gradient = here.gradients[0]
    axes = list(range(1, len(gradient.shape)))
    norm = tf.reduce_sum(tf.abs(gradient), axes, keepdims=True)  # [B, 1, ...]
    momentum = self.decay * state + tf.math.divide_no_nan(gradient, norm)
    return here.images - here.step_size * tf.sign(momentum), momentum
