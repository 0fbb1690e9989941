"""Translation invariance."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from hfc_tf.attacks.updates.axes import along, positions, spatial
from hfc_tf.attacks.updates.base import Here, Sign, Tensor
from hfc_tf.errors import InputError


class TranslationInvariant(Sign):
  """x - alpha sign(W * g), W a Gaussian kernel over space   (Dong et al., CVPR 2019).

  The kernel is a product of one over each axis, so that it serves images and volumes alike;
  channels stay apart, and beyond the border the gradient is zero.

  Args:
    size: of the kernel along each axis, odd; 1 gives `Sign`.
    reach: standard deviations from the kernel's centre to its end.

  Raises:
    InputError: for an even size.
  """

  def __init__(self, size: int = 15, reach: float = 3.0) -> None:
    if size < 1 or size % 2 == 0:
      raise InputError("an odd kernel size", str(size), "pass size=15 or size=7")
    self.size = size
    self.reach = reach

  def step(self, here: Here, state: Any) -> tuple[Tensor, Any]:
    """The next point; no state."""
    (gradient,) = here.gradients
    for axis in spatial(gradient):
      gradient = along(gradient, axis, self._kernel(tf.shape(gradient)[axis]))
    return super().step(here._replace(gradients=[gradient]), state)

  def _kernel(self, length: Tensor) -> Tensor:
    """The kernel as a matrix [S, S]."""
    half = self.size // 2
    exponent = 0.5 * (self.reach / max(half, 1)) ** 2
    total = sum(math.exp(-exponent * i * i) for i in range(-half, half + 1))
    apart = positions(length)[:, None] - positions(length)  # [S, S]
    weights = tf.exp(-exponent * apart**2) / total
    return tf.where(tf.abs(apart) <= half, weights, 0.0)
