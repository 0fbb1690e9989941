"""The one L-infinity attack loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.attacks import inputs
from hfc_tf.attacks.balls import Linf
from hfc_tf.attacks.base import Attack
from hfc_tf.attacks.budget import budget, schedule, warn_of_reach
from hfc_tf.attacks.first_step import Attacked, dead
from hfc_tf.attacks.objectives import Batch, Objective, classification
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
    objective: what is minimised; by default the cross-entropy, untargeted the log-odds.
    update: how gradients become the next point.
    ball: the perturbation set.
    eps: budget in units of the model's bounds (bounds (0, 1): 1/256; bounds (0, 255): 1); None
      for the papers' 1/256 of the range.
    step_size: alpha in the same units. steps: iterations. See `schedule`. Another eps, set later,
      scales the step and keeps the number of steps; another number of steps sets the step to
      2 eps / steps, unless a step size was given.
    random_start: start at a random point of the ball instead of the image.
    restarts: runs, of which all but the first start at random; each sample keeps the one that
      succeeds, and among those the one with the smallest J.
    settings: targeted, seed, batch_size, jit_compile; see `Attack`.
  """

  random_start = False

  def __init__(
    self,
    model: TappedModel,
    objective: Objective | None = None,
    *,
    update: Update | None = None,
    ball: Linf | None = None,
    eps: float | None = None,
    step_size: float | None = None,
    steps: int | None = None,
    random_start: bool | None = None,
    restarts: int = 1,
    targeted: bool = True,
    **settings: Any,
  ) -> None:
    if not isinstance(restarts, int) or restarts < 1:
      raise InputError("at least one run", f"restarts={restarts}", "pass restarts=1")
    self.update = Sign() if update is None else update
    self.ball = Linf() if ball is None else ball
    self._bounds = inputs.tapped(model).bounds
    self._eps = budget(eps, self._bounds)
    self._given_steps = steps
    self._given_step = None if step_size is None else (step_size, self._eps)
    self._replan()
    warn_of_reach(self._eps, self._step_size, self._steps, self._bounds)
    self.random_start = type(self).random_start if random_start is None else random_start
    self.restarts = restarts
    objective = classification(targeted) if objective is None else objective
    super().__init__(model, objective, targeted=targeted, **settings)

  @property
  def eps(self) -> float:
    """Budget in units of the model's bounds."""
    return self._eps

  @eps.setter
  def eps(self, value: float) -> None:
    if self._given_step is None:
      self._given_steps = self._steps
    self._eps = budget(value, self._bounds)
    self._replan()

  @property
  def step_size(self) -> float:
    """alpha in units of the model's bounds."""
    return self._step_size

  @step_size.setter
  def step_size(self, value: float) -> None:
    self._given_step, self._given_steps = (value, self._eps), self._steps
    self._replan()
    warn_of_reach(self._eps, self._step_size, self._steps, self._bounds)

  @property
  def steps(self) -> int:
    """Iterations."""
    return self._steps

  @steps.setter
  def steps(self, value: int) -> None:
    self._given_steps = value
    self._replan()

  def _replan(self) -> None:
    step_size = None
    if self._given_step is not None:
      step_size, at = self._given_step
      if self._eps != at and 0 not in (self._eps, at):
        step_size *= self._eps / at
    self._step_size, self._steps = self._plan(self._eps, step_size, self._given_steps)

  def _plan(self, eps: float, step_size: float | None, steps: int | None) -> tuple[float, int]:
    """Step size and number of steps."""
    return schedule(eps, step_size, steps, self._bounds)

  def _compile(self) -> None:
    self._loop = tf.function(
      self._run, autograph=False, jit_compile=self._jit_compile, reduce_retracing=True
    )
    self._choose = tf.function(
      self._better, autograph=False, jit_compile=self._jit_compile, reduce_retracing=True
    )
    # Never compiled by XLA, whose float draws for the same key are others.
    self._start = tf.function(self.ball.random_start, autograph=False, reduce_retracing=True)

  def _attack(self, batch: Batch) -> Attacked:
    numbers = self._numbers()
    best = self._once(batch, self.random_start, numbers)
    for restart in range(1, self.restarts):
      seed = np.random.SeedSequence([self.seed, restart]).generate_state(1)[0] >> 1
      other = self._once(batch._replace(seed=tf.constant(seed, tf.int32)), True, numbers)
      images = self._choose(batch, best.images, other.images, numbers["weights"])
      best = Attacked(images, best.silent & other.silent, best.reached & other.reached)
    return best

  def _once(self, batch: Batch, random_start: bool, numbers: dict[str, Tensor]) -> Attacked:
    span = self._bounds[1] - self._bounds[0]
    eps, step_size = numbers["eps"] / span, numbers["step_size"] / span
    start = batch.images
    if random_start:
      start = self._start(batch.images, eps, batch.ids, batch.seed)
    made = self._loop(batch, start, numbers["weights"], eps, step_size, numbers["steps"])
    return Attacked(*made)

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
  ) -> Attacked:
    batch, states = self._prepare(batch)
    update = self.update

    def project(images: Tensor) -> Tensor:
      return self.ball.project(images, batch.images, eps)

    def body(step: Tensor, current: Tensor, seen: Any, state: Any) -> tuple[Tensor, ...]:
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
      seen = self._first(step, lambda: (dead(gradients) & ~success, success), seen)
      here = Here(current, gradients, values, success, step, steps, step_size, project)
      following, state = update.step(here, state)
      return step + 1, project(following), seen, state

    evaluations = steps + int(update.compares)
    nowhere = tf.fill(tf.shape(start)[:1], False)
    _, last, seen, state = tf.while_loop(
      lambda step, *_: step < evaluations,
      body,
      (
        tf.constant(0),
        start,
        (nowhere, nowhere),
        update.init(start, len(states), step_size, steps),
      ),
      parallel_iterations=1,
    )
    return Attacked(update.result(last, state), *seen)

  def _first(self, step: Tensor, measure: Callable[[], Any], seen: Any) -> Any:
    """What is measured at the first step, later what was seen then."""
    if self._jit_compile:  # where a branch costs more than the reduction in it
      return tuple(tf.where(step == 0, new, old) for new, old in zip(measure(), seen, strict=True))
    return tf.cond(step == 0, measure, lambda: seen)

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
