"""Attacks that look for the smallest perturbation instead of filling a ball."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from hfc_tf.attacks import inputs
from hfc_tf.attacks.base import Attack
from hfc_tf.attacks.first_step import Attacked
from hfc_tf.attacks.objectives import Batch, Objective
from hfc_tf.taps import TappedModel

Tensor = Any


class MinimumNorm(Attack):
  """What DeepFool and Carlini and Wagner's L2 attack share: a loop without a budget.

  Args:
    model: the attacked classifier.
    objective: its terms.
    steps: iterations at the most.
    eps, step_size: accepted, because every attack is given them, and not used.
    settings: targeted, seed, batch_size, jit_compile; see `Attack`.

  Raises:
    InputError: for no steps.
  """

  def __init__(
    self,
    model: TappedModel,
    objective: Objective,
    *,
    steps: int,
    eps: float | None = None,
    step_size: float | None = None,
    **settings: Any,
  ) -> None:
    self.eps = self.step_size = None
    self.steps = inputs.whole("steps", steps, "pass steps=50")
    super().__init__(model, objective, **settings)

  def _compile(self) -> None:
    self._loop = tf.function(
      self._run, autograph=False, jit_compile=self._jit_compile, reduce_retracing=True
    )

  def _attack(self, batch: Batch) -> Attacked:
    numbers = self._numbers()
    return Attacked(*self._loop(batch, numbers["weights"], numbers["steps"]))

  def _run(self, batch: Batch, weights: Tensor, steps: Tensor) -> Attacked:
    """Adversarial images of a chunk."""
    raise TypeError(f"{type(self).__name__} has no loop")


def norms(images: Tensor) -> Tensor:
  """L2 norms of [B, ...], with the axes kept, [B, 1, ...]."""
  axes = list(range(1, len(images.shape)))
  return tf.sqrt(tf.reduce_sum(images**2, axes, keepdims=True))
