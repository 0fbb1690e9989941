"""The sets that perturbations live in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from hfc_tf.attacks.describe import shown
from hfc_tf.attacks.draws import START, sample_key

Tensor = Any


def sample_uniform(
  ids: Tensor, shape: Sequence[int | None], seed: Tensor, purpose: int = START
) -> Tensor:
  """U(-1, 1), float32 [B, *shape], keyed by (purpose, seed, id) alone."""

  def draw(sample: Tensor) -> Tensor:
    key = sample_key(purpose, seed, sample)
    return tf.random.stateless_uniform(shape, key, -1.0, 1.0, alg="philox")

  return tf.map_fn(draw, ids, fn_output_signature=tf.float32)


class Linf:
  """|x - origin|_inf <= eps, within [0, 1]."""

  __repr__ = shown

  def project(self, images: Tensor, origin: Tensor, eps: Tensor) -> Tensor:
    """The nearest point of the ball (Pi_eps in TMI Eq. 3)."""
    inside = tf.clip_by_value(images, origin - eps, origin + eps)
    return tf.clip_by_value(inside, 0.0, 1.0)

  def random_start(self, origin: Tensor, eps: Tensor, ids: Tensor, seed: Tensor) -> Tensor:
    """origin + U(-eps, eps), two-sided, as PGD starts (Madry et al., 2018)."""
    noise = sample_uniform(ids, origin.shape[1:], seed)
    return self.project(origin + eps * noise, origin, eps)
