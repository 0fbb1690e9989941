"""A step size that halves itself."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from hfc_tf.attacks.updates.base import Here, Tensor, Update, column, pick

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
