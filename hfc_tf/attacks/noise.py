"""Noise as large as an attack, which a detector must not take for one."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.attacks import inputs
from hfc_tf.attacks.balls import sample_uniform
from hfc_tf.attacks.draws import NOISE
from hfc_tf.errors import InputError


def sign_noise(
  images: np.ndarray[Any, Any], eps: float, ids: Any = None, seed: int = 0
) -> np.ndarray[Any, Any]:
  """images +- eps with a random sign a value, clipped to [0, 1].

  An L-infinity attack spends its budget on almost every pixel, so this noise has about its L2
  norm too.

  Args:
    images: float32 [N, ...] in [0, 1].
    eps: in units of [0, 1].
    ids: int [N], the keys of the draws. Default 0 ... N - 1.
    seed: of the draws.

  Raises:
    InputError: for images outside of [0, 1], an eps, ids or a seed that cannot be used.
  """
  images = inputs.array(images)
  if images.dtype.kind in "iub" or (images.size and not 0 <= images.min() <= images.max() <= 1):
    raise InputError("float images in [0, 1]", f"{images.dtype}", "rescale them")
  eps = inputs.number("eps", eps, "pass eps=1/256", least=0)
  keys = inputs.sample_ids(ids, len(images))
  key = tf.constant(inputs.checked_seed(seed))
  noisy = np.empty_like(images)
  for start in range(0, len(images), 256):
    rows = slice(start, start + 256)
    draws = sample_uniform(tf.constant(keys[rows], tf.int64), images.shape[1:], key, NOISE)
    noisy[rows] = np.clip(images[rows] + eps * np.sign(draws.numpy()), 0, 1)
  return noisy
