"""DeepFool."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from hfc_tf.attacks.base import Attack
from hfc_tf.attacks.budget import number, whole
from hfc_tf.attacks.objectives import Batch, Objective, Sum
from hfc_tf.attacks.outcome import Attacked
from hfc_tf.attacks.updates.base import column, pick, pixels
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel

Tensor = Any
_BEYOND = 1e-4  # how far behind a boundary each step aims


class DeepFool(Attack):
  """Steps to the nearest of the linearised decision boundaries   (Moosavi-Dezfooli et al., 2016).

      r = |g_k| / |grad g_k|^2 grad g_k,  g_k = l_k - l_c,  k with the smallest |g_k| / |grad g_k|

  until the class c is left; x + (1 + overshoot) sum r. With a target t the one boundary is that of
  g = l_t - max_{k != t} l_k, until t is reached.

  Args:
    model: the attacked classifier.
    objective: none can be given.
    steps: iterations at the most.
    overshoot: how much farther than the boundary.
    candidates: classes of the largest logits of the clean image, the only ones that count.
    settings: see `Attack`.

  Raises:
    InputError: for an objective or a further term: boundaries are all this attack knows.
  """

  def __init__(
    self,
    model: TappedModel,
    objective: Objective | None = None,
    *,
    steps: int = 50,
    overshoot: float = 0.02,
    candidates: int = 10,
    **settings: Any,
  ) -> None:
    self.overshoot = number("overshoot", overshoot, "pass overshoot=0.02", least=0)
    self.candidates = whole("candidates", candidates, "pass candidates=10")
    super().__init__(model, Sum(()) if objective is None else objective, steps=steps, **settings)

  def _aim(self, objective: Objective) -> None:
    if not isinstance(objective, Sum) or objective.terms:
      raise InputError(
        "deepfool alone", "a term for its objective", "it has none: hide another attack, e.g. cw_l2"
      )
    super()._aim(objective)

  def _run(self, batch: Batch, weights: Tensor, steps: Tensor) -> Attacked:
    targets = batch.targets
    clean_logits, _ = self.model(batch.images)
    count = min(self.candidates, clean_logits.shape[1])
    rivals = tf.math.top_k(clean_logits, count).indices  # [B, J]

    def boundaries(logits: Tensor) -> list[Tensor]:
      """g of each boundary, [[B]]."""
      aim = tf.gather(logits, targets, batch_dims=1)
      if self.targeted:
        of_class = tf.one_hot(targets, logits.shape[1], on_value=True, off_value=False)
        return [aim - tf.reduce_max(tf.where(of_class, logits.dtype.min, logits), 1)]
      return [tf.gather(logits, rivals[:, j], batch_dims=1) - aim for j in range(count)]

    def body(
      step: Tensor, current: Tensor, total: Tensor, first: Any, _: Tensor
    ) -> tuple[Tensor, ...]:
      with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch(current)
        logits, _ = self.model(current)
        gaps = boundaries(logits)
      nearest = tf.fill(tf.shape(targets), float("inf"))
      move = tf.zeros_like(current)
      for j, gap in enumerate(gaps):
        slope = tape.gradient(gap, current)
        length = tf.sqrt(tf.reduce_sum(slope**2, pixels(slope)))  # [B]
        distance = tf.math.divide_no_nan(tf.abs(gap), length)
        nearer = (length > 0) & (distance < nearest)
        if not self.targeted:
          nearer &= rivals[:, j] != targets
        reach = column(distance + _BEYOND, slope) * slope
        move = pick(nearer, tf.math.divide_no_nan(reach, column(length, slope)), move)
        nearest = tf.where(nearer, distance, nearest)
      done = self._success(logits, batch)
      now = ~done & ~tf.math.is_finite(nearest), done
      first = tuple(tf.where(step == 0, new, old) for new, old in zip(now, first, strict=True))
      total += move
      moved = tf.clip_by_value(batch.images + (1 + self.overshoot) * total, 0.0, 1.0)
      return step + 1, pick(done, current, moved), total, first, tf.reduce_all(done)

    start, nowhere = batch.images, tf.fill(tf.shape(targets), False)
    _, adversarials, _, first, _ = tf.while_loop(
      lambda step, current, total, first, done: (step < steps) & ~done,
      body,
      (tf.constant(0), start, tf.zeros_like(start), (nowhere, nowhere), tf.constant(False)),
      parallel_iterations=1,
    )
    return Attacked(adversarials, *first)
