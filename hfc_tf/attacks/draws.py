"""Random numbers of a sample at a step, whoever computes them.

Each purpose has a key of its own, so that draws of one tell nothing of another's.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

Tensor = Any
START, STEP, NOISE = 0, 1, 2  # random starts; what steps and terms draw; noisy images


def sample_key(purpose: int, seed: Tensor, sample: Tensor) -> Tensor:
  """The key of one sample's draws, int32 [2]."""
  return tf.random.experimental.stateless_fold_in([purpose, seed], sample, alg="philox")


def uniform(ids: Tensor, count: int, seed: Tensor, step: Tensor) -> Tensor:
  """U[0, 1), float32 [B, count], keyed by (seed, id, step) alone.

  XLA draws the same integers as the plain graph but other floats, so these are made from integers.
  """

  def draw(sample: Tensor) -> Tensor:
    key = tf.random.experimental.stateless_fold_in(
      sample_key(STEP, seed, sample), step, alg="philox"
    )
    return tf.random.stateless_uniform([count], key, None, None, tf.int32, alg="philox")

  bits = tf.bitcast(tf.map_fn(draw, ids, fn_output_signature=tf.int32), tf.uint32)
  upper = tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32))  # the 24 bits of a float32
  return tf.cast(tf.bitcast(upper, tf.int32), tf.float32) * 2.0**-24
