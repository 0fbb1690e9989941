"""Steps that do not undo, for a classifier and a detector, what was won against the other."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from hfc_tf.attacks.updates.base import Here, Tensor, Update, pick, pixels


class Selective(Update):
  """On the first term until the class is reached, then on the others   (Bryniarski et al., 2021).

      g = grad J_1 where the attack has not succeeded yet, grad (J_2 + ...) where it has

  The result is, of the points that succeed, the one where the other terms are smallest; the last
  point where none succeeds. With one term there is nothing to select: this is `Sign`.
  """

  separate = True
  compares = True

  def init(self, start: Tensor, terms: int, step_size: Tensor, steps: Tensor) -> Any:
    """The best point [B, ...] and its other terms' sum [B]; nothing if there are none."""
    return () if terms == 1 else (start, tf.fill(tf.shape(start)[:1], float("inf")))

  def step(self, here: Here, state: Any) -> tuple[Tensor, Any]:
    """The next point and the best so far."""
    gradient, *others = here.gradients
    if others:
      best, lowest = state
      detected = tf.reduce_sum(here.values[1:], 0)  # [B]
      better = here.success & (detected < lowest)
      state = pick(better, here.images, best), tf.where(better, detected, lowest)
      first, second = self._directions(gradient, tf.add_n(others))
      gradient = pick(here.success, second, first)
    step_size = tf.where(here.step < here.steps, here.step_size, 0.0)
    return here.images - step_size * tf.sign(gradient), state

  def _directions(self, classifier: Tensor, detector: Tensor) -> tuple[Tensor, Tensor]:
    """What to follow before success and after it, each [B, ...]."""
    return classifier, detector

  def result(self, last: Tensor, state: Any) -> Tensor:
    """The best point, [B, ...]."""
    if not state:
      return last
    best, lowest = state
    return pick(tf.math.is_finite(lowest), best, last)


class Orthogonal(Selective):
  """Selective, on the part of each gradient that is orthogonal to the other.

      g_1 - (g_1 . g_2 / |g_2|^2) g_2 before success, g_2 - (g_1 . g_2 / |g_1|^2) g_1 after it

  (Bryniarski et al., 2021: orthogonal projected gradient descent).
  """

  def _directions(self, classifier: Tensor, detector: Tensor) -> tuple[Tensor, Tensor]:
    return _without(classifier, detector), _without(detector, classifier)


def _without(gradient: Tensor, direction: Tensor) -> Tensor:
  """A gradient less its part along a direction, [B, ...]."""
  axes = pixels(gradient)
  # Scaled first: squares of small gradients underflow.
  largest = tf.reduce_max(tf.abs(direction), axes, keepdims=True)  # [B, 1, ...]
  unit = tf.math.divide_no_nan(direction, largest)
  along = tf.reduce_sum(gradient * unit, axes, keepdims=True)
  square = tf.reduce_sum(unit * unit, axes, keepdims=True)
  return gradient - tf.math.divide_no_nan(along, square) * unit
