"""Steps along the sign of a gradient: as it is, accumulated, smoothed, or of changed images."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from hfc_tf.attacks.draws import uniform
from hfc_tf.attacks.objectives.base import Batch, Tensor
from hfc_tf.attacks.updates.base import Here, Update, pick, pixels
from hfc_tf.errors import InputError

LARGE, SMALL = 15, 7  # sizes of Dong et al.'s kernel
WIDE = 10 * LARGE  # pixels, from which it is the larger one


class Sign(Update):
  """x - alpha sign(g), the step of BIM and PGD   (TMI Eq. 3)."""

  def direction(self, here: Here, state: Any) -> tuple[Tensor, Any]:
    """What is followed downhill, [B, ...], and the new state."""
    return here.gradients[0], state

  def step(self, here: Here, state: Any) -> tuple[Tensor, Any]:
    """The next point and the new state."""
    direction, state = self.direction(here, state)
    return here.images - here.step_size * tf.sign(direction), state


class Momentum(Sign):
  """m_{t+1} = decay m_t + g / |g|_1, x - alpha sign(m_{t+1})   (Dong et al., CVPR 2018)."""

  def __init__(self, decay: float = 1.0) -> None:
    self.decay = decay

  def init(self, start: Tensor, terms: int, step_size: Tensor, steps: Tensor) -> Tensor:
    """m_0 = 0, [B, ...]."""
    return tf.zeros_like(start)

  def direction(self, here: Here, state: Tensor) -> tuple[Tensor, Tensor]:
    """m_{t+1}, twice."""
    gradient = here.gradients[0]
    norm = tf.reduce_sum(tf.abs(gradient), pixels(gradient), keepdims=True)  # [B, 1, ...]
    momentum = self.decay * state + tf.math.divide_no_nan(gradient, norm)
    return momentum, momentum


class TranslationInvariant(Sign):
  """x - alpha sign(W * g), W a Gaussian kernel over space   (Dong et al., CVPR 2019).

  The kernel is a product of one over each axis of the plane; channels stay apart, and beyond the
  border the gradient is zero. Slices of volumes stay apart too: the kernel's size is the paper's in
  pixels of an image, and volumes are shallow.

  Args:
    kernel: its size along each axis, odd; 1 gives `Sign`. None: 15, the paper's of 299 pixels,
      where that is at most a tenth of the plane's shorter side, else 7.
    reach: standard deviations from the kernel's centre to its end.
    depth: whether volumes are smoothed along their depth too.
  """

  def __init__(self, kernel: int | None = None, reach: float = 3.0, depth: bool = False) -> None:
    if kernel is not None and (kernel < 1 or kernel % 2 == 0):
      raise InputError("an odd kernel size", str(kernel), "pass kernel=15 or kernel=7")
    self.kernel, self.reach, self.depth = kernel, reach, depth

  def direction(self, here: Here, state: Any) -> tuple[Tensor, Any]:
    """W * g; no state."""
    (gradient,) = here.gradients
    shape, spatial = tf.shape(gradient), pixels(gradient)[:-1]
    wide = tf.reduce_min(shape[-3:-1]) >= WIDE
    for axis in spatial if self.depth else spatial[-2:]:
      if self.kernel is None:
        large, small = (self._matrix(size, shape[axis]) for size in (LARGE, SMALL))
        matrix = tf.where(wide, large, small)
      else:
        matrix = self._matrix(self.kernel, shape[axis])
      gradient = _along(gradient, axis, matrix)
    return gradient, state

  def _matrix(self, kernel: int, length: Tensor) -> Tensor:
    """The kernel as a matrix [S, S]."""
    half = kernel // 2
    exponent = 0.5 * (self.reach / max(half, 1)) ** 2
    total = sum(math.exp(-exponent * i * i) for i in range(-half, half + 1))
    apart = _positions(length)[:, None] - _positions(length)  # [S, S]
    weights = tf.exp(-exponent * apart**2) / total
    return tf.where(tf.abs(apart) <= half, weights, 0.0)


class InputDiversity(Sign):
  """x - alpha sign(grad_x J(T(x))), T: resize and pad at random   (Xie et al., CVPR 2019).

  With the given probability an image is made smaller, bilinearly, and put at a random place of a
  black image of the old size. Sample and step have draws of their own.

  Args:
    probability: 0 gives `Sign`.
    smallest: new size over old size, at the least.
  """

  def __init__(self, probability: float = 0.5, smallest: float = 0.9) -> None:
    if not (0 <= probability <= 1 and 0 < smallest <= 1):
      values, remedy = f"{probability} and {smallest}", "pass probability=0.5 and smallest=0.9"
      raise InputError("probability and smallest within 0 and 1", values, remedy)
    self.probability = probability
    self.smallest = smallest

  def view(self, images: Tensor, batch: Batch, step: Tensor, eps: Tensor = None) -> Tensor:
    """T(x), [B, ...]."""
    axes = pixels(images)[:-1]
    draws = uniform(batch.ids, 2 + len(axes), batch.seed, step)  # [B, 2 + rank]
    resized = images
    for number, axis in enumerate(axes):
      length = tf.shape(images)[axis]
      resized = _along(resized, axis, self._placement(length, draws[:, 1], draws[:, 2 + number]))
    return pick(draws[:, 0] < self.probability, resized, images)

  def _placement(self, length: Tensor, shrinking: Tensor, place: Tensor) -> Tensor:
    """One axis of T as a matrix [B, S, S], of draws U[0, 1) [B]."""
    whole = tf.cast(length, tf.float32)
    least = tf.maximum(tf.floor(self.smallest * whole + 1e-3), 1.0)
    size = (least + tf.floor(shrinking * (whole - least)))[:, None]  # [B, 1]
    first = tf.floor(place[:, None] * (whole - size + 1.0))
    inner = _positions(length) - first  # [B, S], counted from the small image's edge
    source = tf.clip_by_value((inner + 0.5) * whole / size - 0.5, 0.0, whole - 1.0)
    weights = tf.nn.relu(1.0 - tf.abs(source[..., None] - _positions(length)))  # [B, S, S]
    return tf.where(((inner >= 0) & (inner < size))[..., None], weights, 0.0)


def _along(images: Tensor, axis: int, matrix: Tensor) -> Tensor:
  """Each line of images [B, ..., S, ...] along an axis, times a matrix [S, S] or [B, S, S]."""
  shape = tf.shape(images)
  size = shape[axis]
  lines = tf.reshape(images, [shape[0], tf.reduce_prod(shape[1:axis]), size, -1])
  equation = "oi,bpiq->bpoq" if len(matrix.shape) == 2 else "boi,bpiq->bpoq"
  mapped = tf.reshape(tf.einsum(equation, matrix, lines), shape)
  return tf.ensure_shape(mapped, images.shape)


def _positions(size: Tensor) -> Tensor:
  """0 ... S - 1, float32 [S]."""
  return tf.range(tf.cast(size, tf.float32))
