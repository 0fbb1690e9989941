"""Proportional steps, with a weight on the goal that each image sets itself."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from hfc_tf.attacks.balls import to_grid
from hfc_tf.attacks.objectives import Batch
from hfc_tf.attacks.updates.base import Here, Tensor, Update, pick, pixels
from hfc_tf.attacks.updates.sign import Sign
from hfc_tf.errors import InputError

# Chosen on AdvTrain images of an X-ray set at 224 px, a colour set at 32 px and the phantom.
_FIRST_WEIGHT, _RATE = 3.0, 1.3
_LEAST, _MOST = 1e-2, 1e4  # of the weight
_DECAY = 0.75  # of past gradients
_CLIP = 3.0  # mean gradients from which on a pixel moves a whole step
_FIRST_STEP, _LAST_STEP = 0.5, 0.02  # of the budget
_REACHED = 0.1  # of kappa: the lead from which on the target counts as reached


class _State(NamedTuple):
  inner: Any  # of the update whose direction is followed
  weight: Tensor  # on the first term, [B]
  momentum: Tensor  # [B, ...]
  best: Tensor  # as the model was shown it, [B, ...]
  lowest: Tensor  # the other terms at `best`, [B]; infinite until the target is reached
  nearest: Tensor  # the first term at `best`, [B]
  success: Tensor  # whether the class is that of the target at `best`, bool [B]


class Balanced(Update):
  """The smallest J_2 + ... that still reaches the target, on the grid of a file.

      minimise J_2(x) + ... where lead(x) >= kappa, |x - x_0|_inf <= eps and x is on the grid:
      g_t = grad (w_t max(kappa - lead, 0) + J_2 + ...),  m_{t+1} = 0.75 m_t + g_t / mean |g_t|
      x_{t+1} = Pi_eps(x_t - eps s_t clip(m_{t+1} / (3 mean |m_{t+1}|), -1, 1))
      w_{t+1} = 1.3 w_t where lead < kappa, else w_t / 1.3

  with s_t falling from 0.5 to 0.02. The model is shown x_t rounded to the
  grid, and gradients pass straight through. Of all points that reach the target (lead >= kappa /
  10) the one of the least J_2 + ... is the result, else the one that comes nearest to it.

  The weight of each image is a multiplier as in augmented-Lagrangian attacks (Rony et al., ICCV
  2021); rounding inside the loop follows from the image being a file (Bonnet et al., 2020).

  Args:
    inner: whose direction is followed in place of the plain gradient: momentum, smoothing.
    kappa: the lead of the target's logit that is asked for, > 0: that of the first term `Margin`.
    levels: 2^bits - 1 of the file's grid; None for no grid.

  Raises:
    InputError: for an inner update with steps of its own, or a kappa that is not positive.
  """

  compares = True

  def __init__(
    self, inner: Update | None = None, kappa: float = 1.0, levels: int | None = None
  ) -> None:
    inner = Sign() if inner is None else inner
    if not isinstance(inner, Sign) or type(inner).view is not Update.view:
      raise InputError(
        "bim, pgd, mim, tim or cw to balance", type(inner).__name__, "choose another base"
      )
    if not kappa > 0:
      raise InputError("kappa > 0", str(kappa), "pass kappa=1.0")
    self.inner, self.kappa, self.levels = inner, kappa, levels

  def check_budget(self, eps: float) -> None:
    """Refuses a budget, in image units, that is below the distance of two grey levels."""
    if self.levels is not None and 0 < eps * self.levels < 1 - 1e-3:
      raise InputError(
        f"eps of at least a grey level, 1/{self.levels} of the range",
        f"{eps * self.levels:.3g} of one",
        f"pass eps=1/{self.levels} (of images in [0, 1]), or levels=None for floats",
      )

  def init(self, start: Tensor, terms: int, step_size: Tensor, steps: Tensor) -> _State:
    """The first weight; nothing is reached yet."""
    unknown = tf.fill(tf.shape(start)[:1], float("inf"))
    return _State(
      self.inner.init(start, terms, step_size, steps), tf.ones_like(unknown) * _FIRST_WEIGHT,
      tf.zeros_like(start), start, lowest=unknown, nearest=unknown, success=unknown < 0,
    )  # fmt: skip

  def view(self, images: Tensor, batch: Batch, step: Tensor, eps: Tensor = None) -> Tensor:
    """x_t on the grid, [B, ...]; its gradient is that of x_t."""
    if self.levels is None:
      return images
    return images + tf.stop_gradient(to_grid(images, batch.images, eps, self.levels) - images)

  def weigh(self, terms: list[Tensor], state: _State) -> list[Tensor]:
    """The first term times w_t."""
    return [state.weight * terms[0], *terms[1:]]

  def step(self, here: Here, state: _State) -> tuple[Tensor, _State]:
    """The next point, and what was learnt at this one."""
    margin, cost = here.values[0], tf.reduce_sum(here.values[1:], 0)  # max(-lead, -kappa), [B]
    reached = margin <= -_REACHED * self.kappa
    nearer = tf.where(here.success == state.success, margin < state.nearest, here.success)
    better = tf.where(reached, cost < state.lowest, tf.math.is_inf(state.lowest) & nearer)

    direction, inner = self.inner.direction(here, state.inner)
    momentum = _DECAY * state.momentum + _scaled(direction)
    done = tf.cast(here.step, tf.float32) / tf.cast(here.steps, tf.float32)
    size = here.eps * (_FIRST_STEP + (_LAST_STEP - _FIRST_STEP) * done)
    following = here.images - size * tf.clip_by_value(_scaled(momentum) / _CLIP, -1.0, 1.0)
    weight = state.weight * tf.where(margin > -self.kappa, _RATE, 1 / _RATE)
    return following, _State(
      inner, tf.clip_by_value(weight, _LEAST, _MOST), momentum,
      best=pick(better, here.shown, state.best),
      lowest=tf.where(better & reached, cost, state.lowest),
      nearest=tf.where(better, margin, state.nearest),
      success=tf.where(better, here.success, state.success),
    )  # fmt: skip

  def result(self, last: Tensor, state: _State) -> Tensor:
    """The best point, [B, ...]."""
    return state.best


def _scaled(gradient: Tensor) -> Tensor:
  """A gradient [B, ...] over the mean of its sizes."""
  mean = tf.reduce_mean(tf.abs(gradient), pixels(gradient), keepdims=True)
  return tf.math.divide_no_nan(gradient, mean)
