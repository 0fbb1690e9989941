"""The sets that perturbations live in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

Tensor = Any


def sample_uniform(ids: Tensor, shape: Sequence[int | None], seed: Tensor) -> Tensor:
  """U(-1, 1) of `shape` for each sample id, keyed by (seed, id) alone; [B, *shape] float32."""

  def draw(sample: Tensor) -> Tensor:
    key = tf.random.experimental.stateless_fold_in([0, seed], sample, alg="philox")
    return tf.random.stateless_uniform(shape, key, -1.0, 1.0, alg="philox")

  return tf.map_fn(draw, ids, fn_output_signature=tf.float32)


class Linf:
  """|x - origin|_inf <= eps, within [0, 1]."""

  def project(self, images: Tensor, origin: Tensor, eps: Tensor) -> Tensor:
    """The nearest point of the ball (Pi_eps in TMI Eq. 3)."""
    inside = tf.clip_by_value(images, origin - eps, origin + eps)
    return tf.clip_by_value(inside, 0.0, 1.0)

  def random_start(self, origin: Tensor, eps: Tensor, ids: Tensor, seed: Tensor) -> Tensor:
    """origin + U(-eps, eps), two-sided, as PGD starts (Madry et al., 2018)."""
    noise = sample_uniform(ids, origin.shape[1:], seed)
    return self.project(origin + eps * noise, origin, eps)
