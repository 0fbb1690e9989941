"""How gradients become the next point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from hfc_tf.attacks.describe import shown
from hfc_tf.attacks.objectives.base import Batch
from hfc_tf.attacks.objectives.base import Tensor as Tensor


class Here(NamedTuple):
  """What an update sees of the point x_t."""

  images: Tensor  # x_t, [B, ...]
  gradients: list[Tensor]  # of J, [[B, ...]]; for a `separate` update of each weighted term
  values: Tensor  # weighted terms on one scale for all points, [T, B]; None unless it `compares`
  success: Tensor  # where the class is reached (untargeted: left), bool [B]
  step: Tensor  # t
  steps: Tensor  # how many there are
  step_size: Tensor  # alpha
  project: Callable[[Tensor], Tensor]  # Pi_eps
  eps: Tensor = None  # in image units
  shown: Tensor = None  # what the model saw of x_t, see `Update.view`, [B, ...]


class Update:
  """`init` makes a state, `step` uses and renews it, `result` says what remains."""

  separate = False  # wants the gradient of each term instead of their sum's
  compares = False  # wants `values`, and to see the last point too: T + 1 evaluations
  __repr__ = shown

  def init(self, start: Tensor, terms: int, step_size: Tensor, steps: Tensor) -> Any:
    """The state before the first step, for a start [B, ...]; this one keeps none."""
    return ()

  def view(self, images: Tensor, batch: Batch, step: Tensor, eps: Tensor = None) -> Tensor:
    """What the model is shown in place of x_t, [B, ...]."""
    return images

  def weigh(self, terms: list[Tensor], state: Any) -> list[Tensor]:
    """The objective's weighted terms [B], as this update weighs them in turn."""
    return terms

  def step(self, here: Here, state: Any) -> tuple[Tensor, Any]:
    """The next point [B, ...], which the loop projects, and the new state."""
    raise TypeError(f"{type(self).__name__} has no step")

  def result(self, last: Tensor, state: Any) -> Tensor:
    """The adversarial images [B, ...]."""
    return last


def column(values: Tensor, images: Tensor) -> Tensor:
  """Values [B] as [B, 1, ...], beside images [B, ...]."""
  return tf.reshape(values, [-1, *[1] * (len(images.shape) - 1)])


def pick(where: Tensor, one: Tensor, other: Tensor) -> Tensor:
  """`one` [B, ...] in the samples where [B] is true, `other` in the rest."""
  return tf.where(column(where, one), one, other)


def pixels(images: Tensor) -> list[int]:
  """The axes of [B, ...] but the first."""
  return list(range(1, len(images.shape)))
