"""Updates that compare the points of their path: Auto-PGD's step, and steps on two goals."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from hfc_tf.attacks.objectives.base import Tensor
from hfc_tf.attacks.updates.base import Here, Update, column, pick, pixels

_MOMENTUM = 0.75  # share of the new step in the next point
_RISING = 0.75  # rho: a stretch with fewer gains than this share of its steps was too bold


class _State(NamedTuple):
  previous: Tensor  # x_{t-1}, [B, ...]
  best: Tensor  # [B, ...]
  gradient: Tensor  # at the best point, [B, ...]
  lowest: Tensor  # J at the best point, [B]
  value: Tensor  # J(x_{t-1}), [B]
  step_size: Tensor  # [B]
  gains: Tensor  # steps of this stretch that lowered J, int32 [B]
  lowest_before: Tensor  # `lowest` at the last checkpoint, [B]
  halved: Tensor  # whether the last checkpoint halved the step, bool [B]
  stretch: Tensor  # steps from the last checkpoint to the next, int32
  checkpoint: Tensor  # the next one, int32


class AutoStep(Update):
  """The step of Auto-PGD, which judges its own progress   (Croce and Hein, 2020, Algorithm 1).

      z = Pi_eps(x_t - eta sign(g)),  x_{t+1} = Pi_eps(x_t + 0.75 (z - x_t) + 0.25 (x_t - x_{t-1}))

  The first stretch takes 22 % of the steps, each next one 3 % less, but at least 6 %. At its end
  eta is halved, and the search goes on from the best point so far, where fewer than 75 % of the
  stretch's steps lowered J, or where eta was not halved last time and no better point was found
  since. The result is the best point.

  J must be comparable between points: every term tells its `value` for that.
  """

  compares = True

  def init(self, start: Tensor, terms: int, step_size: Tensor, steps: Tensor) -> _State:
    """Nothing is known yet."""
    samples = tf.shape(start)[:1]
    unknown, nothing = tf.fill(samples, float("inf")), tf.zeros(samples, tf.int32)
    first = tf.maximum(22 * steps // 100, 1)
    return _State(
      start, start, tf.zeros_like(start), unknown, unknown, tf.fill(samples, step_size), nothing,
      lowest_before=unknown, halved=tf.fill(samples, False), stretch=first, checkpoint=first,
    )  # fmt: skip

  def step(self, here: Here, state: _State) -> tuple[Tensor, _State]:
    """The next point and what was learnt at this one."""
    value = tf.reduce_sum(here.values, 0)  # [B]
    better = value < state.lowest
    best = pick(better, here.images, state.best)
    gradient = pick(better, here.gradients[0], state.gradient)
    lowest = tf.minimum(value, state.lowest)
    gains = state.gains + tf.cast((value < state.value) & (here.step > 0), tf.int32)
    lowest_before = tf.where(here.step > 0, state.lowest_before, value)

    due = here.step == state.checkpoint
    few = tf.cast(gains, tf.float32) <= _RISING * tf.cast(state.stretch, tf.float32)
    stuck = tf.logical_not(state.halved) & (lowest >= lowest_before)
    halve = due & (few | stuck)  # [B]
    step_size = tf.where(halve, 0.5 * state.step_size, state.step_size)
    point = pick(halve, best, here.images)
    slope = pick(halve, gradient, here.gradients[0])

    bold = here.project(point - column(step_size, point) * tf.sign(slope))
    weight = tf.where(here.step > 0, _MOMENTUM, 1.0)
    following = point + weight * (bold - point) + (1.0 - weight) * (point - state.previous)
    shortest, shorter = tf.maximum(6 * here.steps // 100, 1), tf.maximum(3 * here.steps // 100, 1)
    stretch = tf.where(due, tf.maximum(state.stretch - shorter, shortest), state.stretch)
    state = _State(
      point, best, gradient, lowest, value, step_size,
      gains=tf.where(due, 0, gains),
      lowest_before=tf.where(due, lowest, lowest_before),
      halved=tf.where(due, halve, state.halved),
      stretch=stretch,
      checkpoint=tf.where(due, state.checkpoint + stretch, state.checkpoint),
    )  # fmt: skip
    return following, state

  def result(self, last: Tensor, state: Any) -> Tensor:
    """The best point, [B, ...]."""
    return state.best


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
