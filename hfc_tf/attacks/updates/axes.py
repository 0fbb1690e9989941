"""Linear maps along the spatial axes of images of any rank."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any


def along(images: Tensor, axis: int, matrix: Tensor) -> Tensor:
  """Each line of images [B, ..., S, ...] along an axis, times a matrix [S, S] or [B, S, S]."""
  shape = tf.shape(images)
  size = shape[axis]
  lines = tf.reshape(images, [shape[0], tf.reduce_prod(shape[1:axis]), size, -1])
  equation = "oi,bpiq->bpoq" if len(matrix.shape) == 2 else "boi,bpiq->bpoq"
  mapped = tf.reshape(tf.einsum(equation, matrix, lines), shape)
  return tf.ensure_shape(mapped, images.shape)


def spatial(images: Tensor) -> range:
  """The spatial axes of [B, H, W, C] or [B, D, H, W, C]."""
  return range(1, len(images.shape) - 1)


def positions(size: Tensor) -> Tensor:
  """0 ... S - 1, float32 [S]."""
  return tf.range(tf.cast(size, tf.float32))
