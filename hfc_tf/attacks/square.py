"""An attack that asks for the objective's value and sees no gradient."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from hfc_tf.attacks.base import Attack
from hfc_tf.attacks.budget import budget, whole
from hfc_tf.attacks.draws import uniform
from hfc_tf.attacks.objectives import Batch, Objective, classification
from hfc_tf.attacks.outcome import Attacked
from hfc_tf.attacks.updates.base import Tensor, pick
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel

_FIRST_SHARE = 0.5  # of an image's area that the first squares cover, as side^2


class Square(Attack):
  """Squares of +-eps at random places, kept where they lower J   (Andriushchenko et al., 2020).

  Where an attack by gradients does worse than this one, its gradients are masked (Athalye et al.,
  2018). It starts from vertical stripes of +-eps; squares shrink with the queries spent.

  Args:
    model: takes images [H, W, C]; of volumes, the squares are cubes of the last two sides, whole
      along the first.
    objective: what is minimised; None for the cross-entropy, untargeted the log-odds.
    eps: budget in units of the model's bounds.
    steps: queries of the model, after the first.
    settings: see `Attack`.
  """

  eps: float

  def __init__(
    self,
    model: TappedModel,
    objective: Objective | None = None,
    *,
    eps: float | None = None,
    steps: int = 1000,
    targeted: bool = True,
    **settings: Any,
  ) -> None:
    objective = classification(targeted) if objective is None else objective
    super().__init__(model, objective, steps=steps, eps=eps, targeted=targeted, **settings)

  def _spend(self, eps: float | None, step_size: float | None, steps: int | None) -> None:
    if step_size is not None:
      raise InputError("no step size: squares are of +-eps", f"{step_size}", "leave it out")
    self.eps, self.step_size = budget(eps, self.model.bounds), None
    self.steps = whole("steps", steps, "pass steps=1000")

  def _attack(self, batch: Batch) -> Attacked:
    given, (low, high) = self._numbers(), self.model.bounds
    eps = given["eps"] / (high - low)
    return Attacked(*self._loop(batch, given["weights"], eps, given["steps"]))

  def _run(self, batch: Batch, weights: Tensor, eps: Tensor, steps: Tensor) -> Attacked:
    batch, states = self._prepare(batch)
    clean = batch.images
    shape = tf.shape(clean)
    height, width, channels = shape[-3], shape[-2], clean.shape[-1]
    smaller = tf.cast(tf.minimum(height, width), tf.float32)

    def judged(images: Tensor) -> tuple[Tensor, Tensor]:
      logits, features = self.model(images)
      terms = self._terms(states, batch._replace(shown=images), logits, features)
      values = [
        term.value(value, state, features)
        for term, value, state in zip(self.objective.terms, terms, states, strict=True)
      ]
      total = tf.add_n([weights[i] * value for i, value in enumerate(values)])  # [B]
      return total, self._success(logits, batch)

    def clipped(signs: Tensor) -> Tensor:
      return tf.clip_by_value(clean + eps * signs, 0.0, 1.0)

    def place(draws: Tensor, most: Tensor) -> Tensor:
      """0 ... most, of draws U[0, 1) [B]."""
      return tf.floor(draws * tf.cast(most + 1, tf.float32))

    def body(query: Tensor, best: Tensor, lowest: Tensor) -> tuple[Tensor, ...]:
      left = 1.0 - tf.cast(query, tf.float32) / tf.cast(steps, tf.float32)
      side = tf.maximum(1.0, tf.round(smaller * tf.sqrt(_FIRST_SHARE * left)))
      draws = uniform(batch.ids, 2 + channels, batch.seed, query)  # [B, 2 + C]
      inside = [
        (tf.range(tf.cast(length, tf.float32)) >= start[:, None])
        & (tf.range(tf.cast(length, tf.float32)) < start[:, None] + side)
        for length, start in (
          (height, place(draws[:, 0], height - tf.cast(side, tf.int32))),
          (width, place(draws[:, 1], width - tf.cast(side, tf.int32))),
        )
      ]
      window = inside[0][:, :, None, None] & inside[1][:, None, :, None]  # [B, H, W, 1]
      if len(clean.shape) == 5:
        window = window[:, None]
      signs = tf.where(draws[:, 2:] < 0.5, -1.0, 1.0)  # [B, C]
      signs = tf.reshape(signs, [-1, *[1] * (len(clean.shape) - 2), channels])
      trial = tf.where(window, clipped(signs), best)
      value, _ = judged(trial)
      better = value < lowest
      return query + 1, pick(better, trial, best), tf.where(better, value, lowest)

    stripes = uniform(batch.ids, 1024, batch.seed, tf.constant(-2))  # [B, 1024]
    columns = tf.gather(stripes, tf.range(width) % 1024, axis=1) < 0.5  # [B, W]
    signs = tf.where(columns, -1.0, 1.0)[:, None, :, None]  # [B, 1, W, 1]
    start = clipped(signs[:, None] if len(clean.shape) == 5 else signs)
    first, _ = judged(start)
    unchanged, reached = judged(clean)
    start = pick(first < unchanged, start, clean)
    _, best, _ = tf.while_loop(
      lambda query, *_: query < steps, body,
      (tf.constant(0), start, tf.minimum(first, unchanged)), parallel_iterations=1,
    )  # fmt: skip
    return Attacked(best, tf.zeros_like(reached), reached)
