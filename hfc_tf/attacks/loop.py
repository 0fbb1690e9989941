"""The one L-infinity attack loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.attacks.balls import Linf
from hfc_tf.attacks.base import Attack
from hfc_tf.attacks.budget import schedule
from hfc_tf.attacks.objectives import Batch, CrossEntropy, Objective
from hfc_tf.attacks.updates.base import Here, Sign, Update, pick
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel

Tensor = Any


class GradientAttack(Attack):
  """x_{t+1} = Pi_eps(update(x_t, grad_x J(x_t))), J = the weighted sum of an objective's terms.

  One compiled loop: a trace for each shape, every number a tensor. Only the gradient with
  respect to the image is computed.

  Args:
    model: the attacked classifier.
    objective: what is minimised; the cross-entropy by default.
    update: how gradients become the next point.
    ball: the perturbation set.
    eps: budget in image units ([0, 1]); 1/256 in the papers.
    step_size: alpha in image units. steps: iterations. See `schedule`.
    random_start: start at a random point of the ball instead of the image.
    restarts: runs, of which all but the first start at random; each sample keeps the one that
      succeeds, and among those the one with the smallest J.
    settings: targeted, seed, batch_size, jit_compile; see `Attack`.
  """

  eps: float
  step_size: float
  random_start = False

  def __init__(
    self,
    model: TappedModel,
    objective: Objective | None = None,
    *,
    update: Update | None = None,
    ball: Linf | None = None,
    eps: float = 1 / 256,
    step_size: float | None = None,
    steps: int | None = None,
    random_start: bool | None = None,
    restarts: int = 1,
    targeted: bool = True,
    **settings: Any,
  ) -> None:
    if restarts < 1:
      raise InputError("at least one run", f"restarts={restarts}", "pass restarts=1")
    self.update = Sign() if update is None else update
    self.ball = Linf() if ball is None else ball
    self.eps = eps
    self.step_size, self.steps = self._plan(eps, step_size, steps)
    self.random_start = type(self).random_start if random_start is None else random_start
    self.restarts = restarts
    objective = CrossEntropy(targeted) if objective is None else objective
    super().__init__(model, objective, targeted=targeted, **settings)

  def _plan(self, eps: float, step_size: float | None, steps: int | None) -> tuple[float, int]:
    """Step size and number of steps."""
    return schedule(eps, step_size, steps)

  def _compile(self) -> None:
    self._loop = tf.function(
      self._run, autograph=False, jit_compile=self._jit_compile, reduce_retracing=True
    )
    self._choose = tf.function(
      self._better, autograph=False, jit_compile=self._jit_compile, reduce_retracing=True
    )
    # Never compiled by XLA, whose float draws for the same key are others.
    self._start = tf.function(self.ball.random_start, autograph=False, reduce_retracing=True)

  def _attack(self, batch: Batch) -> Tensor:
    best = self._once(batch, self.random_start)
    for restart in range(1, self.restarts):
      seed = np.random.SeedSequence([self.seed, restart]).generate_state(1)[0] >> 1
      other = self._once(batch._replace(seed=tf.constant(seed, tf.int32)), True)
      best = self._choose(batch, best, other, self._weights())
    return best

  def _once(self, batch: Batch, random_start: bool) -> Tensor:
    eps = tf.convert_to_tensor(self.eps, tf.float32)
    start = batch.images
    if random_start:
      start = self._start(batch.images, eps, batch.ids, batch.seed)
    return self._loop(
      batch,
      start,
      self._weights(),
      eps,
      tf.convert_to_tensor(self.step_size, tf.float32),
      tf.convert_to_tensor(self.steps, tf.int32),
    )

  def _prepare(self, batch: Batch) -> tuple[Batch, list[Any]]:
    """The batch with what its terms ask for, and the terms' states."""
    if any(part.reads_clean for part in self.objective.parts):
      batch = batch._replace(features=self.model(batch.images)[1])
    return batch, [part.prepare(batch) for part in self.objective.parts]

  def _run(
    self,
    batch: Batch,
    start: Tensor,
    weights: Tensor,
    eps: Tensor,
    step_size: Tensor,
    steps: Tensor,
  ) -> Tensor:
    batch, states = self._prepare(batch)
    update = self.update

    def project(images: Tensor) -> Tensor:
      return self.ball.project(images, batch.images, eps)

    def body(step: Tensor, current: Tensor, state: Any) -> tuple[Tensor, Tensor, Any]:
      with tf.GradientTape(update.separate, watch_accessed_variables=False) as tape:
        tape.watch(current)
        logits, features = self.model(update.view(current, batch, step))
        terms = self._terms(states, batch, logits, features)
        weighted = [weights[i] * term for i, term in enumerate(terms)]
        loss = tf.add_n(weighted)  # [B]
      wanted = weighted if update.separate else [loss]
      gradients = [tape.gradient(each, current) for each in wanted]
      if any(gradient is None for gradient in gradients):
        raise InputError("terms with a gradient", "one that has none", "leave it out")
      values = self._values(terms, states, features, weights) if update.compares else None
      success = self._success(logits, batch)
      here = Here(current, gradients, values, success, step, steps, step_size, project)
      following, state = update.step(here, state)
      return step + 1, project(following), state

    evaluations = steps + int(update.compares)
    _, last, state = tf.while_loop(
      lambda step, *_: step < evaluations,
      body,
      (tf.constant(0), start, update.init(start, len(states), step_size, steps)),
      parallel_iterations=1,
    )
    return update.result(last, state)

  def _terms(self, states: list[Any], batch: Batch, logits: Tensor, features: Any) -> list[Tensor]:
    """Each term, unweighted, [B]."""
    return [
      part.term(state, batch, logits, features)
      for part, state in zip(self.objective.parts, states, strict=True)
    ]

  def _values(
    self, terms: list[Tensor], states: list[Any], features: Any, weights: Tensor
  ) -> Tensor:
    """Each term, weighted, on a scale that is the same at all points, [T, B]."""
    parts = zip(self.objective.parts, terms, states, strict=True)
    values = [part.value(term, state, features) for part, term, state in parts]
    return tf.stack(values) * weights[:, None]

  def _success(self, logits: Tensor, batch: Batch) -> Tensor:
    """Where the class is reached (untargeted: left), bool [B]."""
    reached = tf.argmax(logits, 1, output_type=tf.int32) == batch.targets
    return reached if self.targeted else tf.logical_not(reached)

  def _better(self, batch: Batch, one: Tensor, other: Tensor, weights: Tensor) -> Tensor:
    """Of two results [B, ...] each sample's better one: success first, then the smaller J."""
    batch, states = self._prepare(batch)
    judged = []
    for images in (one, other):
      logits, features = self.model(images)
      terms = self._terms(states, batch, logits, features)
      value = tf.reduce_sum(self._values(terms, states, features, weights), 0)  # [B]
      judged.append((self._success(logits, batch), value))
    (succeeds, value), (others_succeed, others_value) = judged
    changed = tf.where(
      succeeds == others_succeed, others_value < value, tf.logical_not(succeeds)
    )  # [B]
    return pick(changed, other, one)
