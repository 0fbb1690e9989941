"""What an attack makes of a chunk, and what in it is likely a mistake."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf
from absl import logging

from hfc_tf.attacks.updates.base import Tensor, pixels

_MOSTLY = 0.9  # share of images already at their class from which on a mistake is likely


class Attacked(NamedTuple):
  """What an attack makes of one chunk: adversarial images, and what the first step shows."""

  images: Tensor  # [B, ...] in [0, 1]
  silent: Tensor  # the first gradient is 0 or not finite, the class not reached (left), bool [B]
  reached: Tensor  # the class is reached (untargeted: left) before the first step, bool [B]


def dead(gradients: list[Tensor]) -> Tensor:
  """Where all gradients [B, ...] are exactly zero, or one is not finite, bool [B]."""
  axes = pixels(gradients[0])
  largest = tf.add_n([tf.reduce_max(tf.abs(each), axes) for each in gradients])
  finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(each), axes) for each in gradients], 0)
  return ~(finite & (largest > 0))


def warn(attack: str, targeted: bool, silent: Any, reached: Any) -> None:
  """Says what makes an attack look weak or strong for the wrong reason; see `Attacked`, [N]."""
  if silent.any():
    logging.warning(
      "%s: the gradient is exactly zero or not finite at %.0f %% of %d images, which the attack "
      "cannot move: the model masks it; attack it on Margin() or check its saturated layers",
      attack, 100 * silent.mean(), len(silent),
    )  # fmt: skip
  if len(reached) and reached.mean() >= _MOSTLY:
    logging.warning(
      "%s: the model %s on %.0f %% of %d images before the attack: targets are classes to %s",
      attack, "predicts the target" if targeted else "does not predict the class",
      100 * reached.mean(), len(reached),
      "reach; for true labels pass targeted=False" if targeted else
      "leave; for classes to reach pass targeted=True",
    )  # fmt: skip


def warn_of_rounding(
  attack: str, undone: int, changed: int, dtype: Any, eps: float | None, bounds: tuple[float, float]
) -> None:
  """Says when rounding to the images' type undoes most changes of values."""
  if undone > changed / 2:
    logging.warning(
      "%s: rounding to %s undoes %.0f %% of the changed values, since eps = %s of images in "
      "[%g, %g] is near or below the distance of its values; pass float32 images or a larger eps",
      attack, dtype, 100 * undone / changed, eps, *bounds,
    )  # fmt: skip
