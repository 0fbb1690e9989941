"""Noise as large as an attack, which a detector must not take for one."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.attacks.balls import sample_uniform


def sign_noise(
  images: np.ndarray[Any, Any], eps: float, ids: Any = None, seed: int = 0
) -> np.ndarray[Any, Any]:
  """images +- eps with a random sign a value, clipped to [0, 1].

  An L-infinity attack spends its budget on almost every pixel, so this noise has about its L2
  norm too.

  Args:
    images: float32 [N, ...] in [0, 1].
    eps: in image units.
    ids: int [N], the keys of the draws. Default 0 ... N - 1.
    seed: of the draws.
  """
  keys = np.arange(len(images)) if ids is None else np.asarray(ids)
  noisy = np.empty_like(images)
  for start in range(0, len(images), 256):
    rows = slice(start, start + 256)
    draws = sample_uniform(tf.constant(keys[rows], tf.int32), images.shape[1:], tf.constant(seed))
    noisy[rows] = np.clip(images[rows] + eps * np.sign(draws.numpy()), 0, 1)
  return noisy
