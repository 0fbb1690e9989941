"""The one L-infinity attack loop."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import tensorflow as tf

from hfc_tf.attacks.balls import Linf
from hfc_tf.attacks.base import BUDGET, Attack
from hfc_tf.attacks.budget import budget, schedule, warn_of_reach
from hfc_tf.attacks.objectives import Batch, Margin, Objective, SqueezedMargin, classification
from hfc_tf.attacks.outcome import Attacked, dead
from hfc_tf.attacks.updates.balanced import Balanced
from hfc_tf.attacks.updates.base import Here, Tensor, Update, pick
from hfc_tf.attacks.updates.comparing import AutoStep
from hfc_tf.attacks.updates.sign import Sign
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel


class GradientAttack(Attack):
  """x_{t+1} = Pi_eps(update(x_t, grad_x J(x_t))), J = the weighted sum of an objective's terms.

  One compiled loop: a trace for each shape, every number a tensor. Only the gradient with
  respect to the image is computed.

  Args:
    objective: what is minimised; by default the cross-entropy, untargeted the log-odds.
    update: how gradients become the next point; None for the attack's own, which takes its settings
      (`decay`, `kernel`, ...) from `settings`.
    ball: the perturbation set.
    eps: budget in units of the model's bounds (bounds (0, 1): 1/256; bounds (0, 255): 1); None
      for the papers' 1/256 of the range.
    step_size: alpha in the same units. steps: iterations. See `schedule`. Another eps, set later,
      scales the step and keeps the number of steps; another number of steps sets the step to
      2 eps / steps, unless a step size was given.
    random_start: start at a random point of the ball instead of the image.
    restarts: runs, of which all but the first start at random; each sample keeps the one that
      succeeds, and among those the one with the smallest J.
    settings: seed, batch_size, jit_compile; see `Attack`.
  """

  eps: float
  step_size: float
  random_start = False
  _update: Callable[..., Update] = Sign
  _given: tuple[float, float] | None = None  # a step size that was asked for, and eps then

  def __init__(
    self,
    model: TappedModel,
    objective: Objective | None = None,
    *,
    update: Update | None = None,
    ball: Linf | None = None,
    steps: int | None = None,
    random_start: bool | None = None,
    restarts: int = 1,
    targeted: bool = True,
    **settings: Any,
  ) -> None:
    if not isinstance(restarts, int) or restarts < 1:
      raise InputError("at least one run", f"restarts={restarts}", "pass restarts=1")
    if update is None:
      names = inspect.signature(self._update).parameters.keys() & settings.keys()
      update = self._update(**{name: settings.pop(name) for name in names})
    self.update = update
    self.ball = Linf() if ball is None else ball
    self.random_start = type(self).random_start if random_start is None else random_start
    self.restarts = restarts
    objective = classification(targeted) if objective is None else objective
    super().__init__(model, objective, steps=steps, targeted=targeted, **settings)

  def __setattr__(self, name: str, value: Any) -> None:
    if self._compiled and name in BUDGET:
      self._spend(**{"eps": self.eps, "step_size": None, "steps": self.steps, name: value})
    else:
      super().__setattr__(name, value)

  def _spend(self, eps: float | None, step_size: float | None, steps: int | None) -> None:
    radius, given = self.eps if self._compiled else None, step_size
    if radius is None or eps != radius:
      radius = budget(eps, self.model.bounds)
    if self._compiled and isinstance(self.update, Balanced):
      self.update.check_budget(radius / (self.model.bounds[1] - self.model.bounds[0]))
    if given is None and self._given is not None:
      step_size, at = self._given
      step_size *= radius / at if radius and at else 1
    step_size, steps = self._schedule(radius, step_size, steps)
    if given is not None:
      self._given = given, radius
    if given is not None or not self._compiled:
      warn_of_reach(radius, step_size, steps, self.model.bounds)
    vars(self).update(eps=radius, step_size=step_size, steps=steps)

  def _schedule(self, eps: float, step_size: float | None, steps: int | None) -> tuple[float, int]:
    """Step size and number of steps."""
    return schedule(eps, step_size, steps, self.model.bounds)

  def balanced(
    self,
    objective: Objective,
    kappa: float = 1.0,
    levels: int | None = None,
    squeezing: bool = False,
  ) -> Self:
    """The same attack, the least of `objective` at which each image still reaches its target.

    Of the attack remain its budget, steps, start and direction; see `updates.Balanced`.

    Args:
      objective: one or more terms, e.g. HFC(density).
      kappa: the lead of the target's logit that is asked for; cw keeps the kappa it has.
      levels: 2^bits - 1 of the file that the image will be; None for floats.
      squeezing: whether squeezed copies must reach the target too, see `SqueezedMargin`.

    Raises:
      InputError: for an untargeted attack, one of one step, or of steps of its own (di).
    """
    other = copy.copy(self)
    other._balance(objective, kappa, levels, squeezing)
    return other

  def _balance(
    self, objective: Objective, kappa: float, levels: int | None, squeezing: bool
  ) -> None:
    if isinstance(self.objective, Margin) and self.objective.kappa is not None:
      kappa = self.objective.kappa
    margin = SqueezedMargin(self.model, kappa) if squeezing else Margin(kappa)
    inner = Sign() if isinstance(self.update, AutoStep) else self.update
    update = Balanced(inner, kappa, levels)
    update.check_budget(self.eps / (self.model.bounds[1] - self.model.bounds[0]))
    if self.steps < 2 or not self.targeted:
      raise InputError(
        "a targeted attack of several steps to balance", self._label(), "choose another base"
      )
    self._aim(margin + objective)
    self.update = update

  def _compile(self) -> None:
    super()._compile()
    self._choose = self._function(self._better)
    # Never compiled by XLA, whose float draws for the same key are others.
    self._start = tf.function(self.ball.random_start, autograph=False)

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
    low, high = self.model.bounds
    eps, step_size = numbers["eps"] / (high - low), numbers["step_size"] / (high - low)
    start = batch.images
    if random_start:
      start = self._start(batch.images, eps, batch.ids, batch.seed)
    made = self._loop(batch, start, numbers["weights"], eps, step_size, numbers["steps"])
    return Attacked(*made)

  def _run(
    self, batch: Batch, start: Tensor, weights: Tensor, eps: Tensor, alpha: Tensor, steps: Tensor
  ) -> Attacked:
    batch, states = self._prepare(batch)
    update = self.update

    def project(images: Tensor) -> Tensor:
      return self.ball.project(images, batch.images, eps)

    def body(step: Tensor, current: Tensor, first: Any, state: Any) -> tuple[Tensor, ...]:
      with tf.GradientTape(update.separate, watch_accessed_variables=False) as tape:
        tape.watch(current)
        shown = update.view(current, batch, step, eps)
        logits, features = self.model(shown)
        terms = self._terms(states, batch._replace(shown=shown), logits, features)
        weighted = update.weigh([weights[i] * term for i, term in enumerate(terms)], state)
        loss = tf.add_n(weighted)  # [B]
      wanted = weighted if update.separate else [loss]
      gradients = [tape.gradient(each, current) for each in wanted]
      if any(gradient is None for gradient in gradients):
        raise InputError("terms with a gradient", "one that has none", "leave it out")
      values = self._values(terms, states, features, weights) if update.compares else None
      success = self._success(logits, batch)
      first = self._first(step, lambda: (dead(gradients) & ~success, success), first)
      here = Here(
        current, gradients, values, success, step, steps, alpha, project, eps, shown
      )
      following, state = update.step(here, state)
      return step + 1, project(following), first, state

    evaluations = steps + int(update.compares)
    nowhere = tf.fill(tf.shape(start)[:1], False)
    state = update.init(start, len(states), alpha, steps)
    _, last, first, state = tf.while_loop(
      lambda step, *_: step < evaluations,
      body,
      (tf.constant(0), start, (nowhere, nowhere), state),
      parallel_iterations=1,
    )
    return Attacked(update.result(last, state), *first)

  def _first(self, step: Tensor, measure: Callable[[], Any], before: Any) -> Any:
    """What is measured at the first step, later what was measured before."""
    if self._jit_compile:  # where a branch costs more than the reduction in it
      pairs = zip(measure(), before, strict=True)
      return tuple(tf.where(step == 0, new, old) for new, old in pairs)
    return tf.cond(step == 0, measure, lambda: before)

  def _values(
    self, terms: list[Tensor], states: list[Any], features: Any, weights: Tensor
  ) -> Tensor:
    """Each term, weighted, on a scale that is the same at all points, [T, B]."""
    values = [
      term.value(value, state, features)
      for term, value, state in zip(self.objective.terms, terms, states, strict=True)
    ]
    return tf.stack(values) * weights[:, None]

  def _better(self, batch: Batch, one: Tensor, other: Tensor, weights: Tensor) -> Tensor:
    """Of two results [B, ...] each sample's better one: success first, then the smaller J."""
    batch, states = self._prepare(batch)

    def judged(images: Tensor) -> tuple[Tensor, Tensor]:
      logits, features = self.model(images)
      terms = self._terms(states, batch._replace(shown=images), logits, features)
      values = self._values(terms, states, features, weights)
      return self._success(logits, batch), tf.reduce_sum(values, 0)

    (succeeds, value), (other_succeeds, other_value) = judged(one), judged(other)  # [B]
    changed = tf.where(succeeds == other_succeeds, other_value < value, ~succeeds)
    return pick(changed, other, one)
