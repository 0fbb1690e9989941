"""Random numbers of a sample at a step, whoever computes them, and noise made of them.

Each purpose has a key of its own, so that draws of one tell nothing of another's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.attacks import inputs
from hfc_tf.attacks.budget import checked_seed, number
from hfc_tf.errors import InputError

Tensor = Any
START, STEP, NOISE = 0, 1, 2  # random starts; what steps and terms draw; noisy images


def _key(purpose: int, seed: Tensor, sample: Tensor) -> Tensor:
  """The key of one sample's draws, int32 [2]."""
  return tf.random.experimental.stateless_fold_in([purpose, seed], sample, alg="philox")


def sample_uniform(
  ids: Tensor, shape: Sequence[int | None], seed: Tensor, purpose: int = START
) -> Tensor:
  """U(-1, 1), float32 [B, *shape], keyed by (purpose, seed, id) alone."""

  def draw(sample: Tensor) -> Tensor:
    key = _key(purpose, seed, sample)
    return tf.random.stateless_uniform(shape, key, -1.0, 1.0, alg="philox")

  return tf.map_fn(draw, ids, fn_output_signature=tf.float32)


def uniform(ids: Tensor, count: int, seed: Tensor, step: Tensor) -> Tensor:
  """U[0, 1), float32 [B, count], keyed by (seed, id, step) alone.

  XLA draws the same integers as the plain graph but other floats, so these are made from integers.
  """

  def draw(sample: Tensor) -> Tensor:
    key = tf.random.experimental.stateless_fold_in(_key(STEP, seed, sample), step, alg="philox")
    return tf.random.stateless_uniform([count], key, None, None, tf.int32, alg="philox")

  bits = tf.bitcast(tf.map_fn(draw, ids, fn_output_signature=tf.int32), tf.uint32)
  upper = tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32))  # the 24 bits of a float32
  return tf.cast(tf.bitcast(upper, tf.int32), tf.float32) * 2.0**-24


def sign_noise(
  images: np.ndarray[Any, Any], eps: float, ids: Any = None, seed: int = 0
) -> np.ndarray[Any, Any]:
  """images +- eps with a random sign a value, clipped to [0, 1].

  An L-infinity attack spends its budget on almost every pixel, so this noise has about its L2
  norm too: a detector must not take it for an attack.

  Args:
    images: float32 [N, ...] in [0, 1], as eps is.
    ids: int [N], the keys of the draws. Default 0 ... N - 1.

  Raises:
    InputError: for images outside of [0, 1], an eps, ids or a seed that cannot be used.
  """
  images = inputs.array(images)
  if images.dtype.kind in "iub" or (images.size and not 0 <= images.min() <= images.max() <= 1):
    raise InputError("float images in [0, 1]", f"{images.dtype}", "rescale them")
  eps = number("eps", eps, "pass eps=1/256", least=0)
  keys = inputs.sample_ids(ids, len(images))
  key = tf.constant(checked_seed(seed))
  noisy = np.empty_like(images)
  for start in range(0, len(images), 256):
    rows = slice(start, start + 256)
    draws = sample_uniform(tf.constant(keys[rows], tf.int64), images.shape[1:], key, NOISE)
    noisy[rows] = np.clip(images[rows] + eps * np.sign(draws.numpy()), 0, 1)
  return noisy
