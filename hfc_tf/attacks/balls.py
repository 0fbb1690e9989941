"""The sets that perturbations live in, and images of other types within them."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.attacks.describe import shown
from hfc_tf.attacks.draws import sample_uniform

Tensor = Any
Array = np.ndarray[Any, Any]


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


def to_grid(images: Tensor, clean: Tensor, eps: Tensor, levels: int) -> Tensor:
  """clean + k / levels, k the nearest whole number within eps: images as a file holds them.

  Args:
    images: [B, ...] within eps of the clean ones, which are on the grid themselves.
    clean: [B, ...] in [0, 1].
    eps: L-infinity radius; its part below a whole level is not used.
    levels: 2^bits - 1.
  """
  most = tf.floor(eps * levels + 1e-3)
  change = tf.clip_by_value(tf.round((images - clean) * levels), -most, most)
  return tf.clip_by_value(clean + change / levels, 0.0, 1.0)


def on_grid(images: Array, clean: Array, eps: float | None, levels: int) -> Array:
  """clean + k / levels, k the nearest whole number: attacked images as a file holds them.

  Where that would leave the ball or [0, 1], the level towards the clean image is taken.

  Args:
    images: float32 [N, ...] in [0, 1].
    clean: [N, ...], on the grid themselves.
    eps: L-infinity radius; None for no ball.
    levels: 2^bits - 1.
  """
  made = to_grid(tf.constant(images), tf.constant(clean), 1.0 if eps is None else eps, levels)
  top = np.float32(levels)
  return np.asarray(np.rint(made.numpy() * top) / top)  # the very values that a reader gives


def rounded(
  adversarials: Array, given: Array, eps: float | None, bounds: tuple[float, float]
) -> Array:
  """The nearest values that the given type has within eps of the given images and in the bounds.

  Where rounding to nearest would leave the ball, the neighbour towards the given value is taken.

  Args:
    adversarials: float32 [B, ...] in [0, 1].
    given: the images they were made from, of whatever type, [B, ...] in `bounds`.
    eps: L-infinity radius in units of `bounds`; None for no ball.
  """
  low, high = bounds
  dtype = given.dtype
  if dtype == np.float32 and (low, high) == (0.0, 1.0):
    return adversarials  # the type in which the loop keeps the ball
  clean = given.astype(np.float64)
  exact = low + adversarials.astype(np.float64) * (high - low)
  radius = np.inf if eps is None else eps * (1 + 1e-6)
  if eps is not None:
    exact = np.clip(exact, clean - eps, clean + eps)
  whole = dtype.kind in "iub"
  if whole:
    limits = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    low, high = max(low, limits[0]), min(high, limits[1])
  exact = np.clip(exact, low, high)
  nearest = np.rint(exact) if whole else exact.astype(dtype)
  back = nearest.astype(np.float64)
  outside = (np.abs(back - clean) > radius) | (back < low) | (back > high)
  towards = back + np.sign(clean - back) if whole else np.nextafter(nearest, given)
  return np.asarray(np.where(outside, towards, nearest)).astype(dtype)
