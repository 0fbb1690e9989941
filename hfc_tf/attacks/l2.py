"""Attacks that look for the smallest perturbation in L2 instead of filling a ball."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from hfc_tf.attacks.base import Attack
from hfc_tf.attacks.budget import number, whole
from hfc_tf.attacks.objectives import Batch, Margin, Objective, Sum
from hfc_tf.attacks.outcome import Attacked, dead
from hfc_tf.attacks.updates.base import Tensor, column, pick, pixels
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel

_BEYOND = 1e-4  # how far behind a boundary each step of DeepFool aims
_INSIDE = 0.999999  # of [-1, 1] before atanh
_DECAYS, _TINY = (0.9, 0.999), 1e-8  # of Adam (Kingma and Ba, 2015)


class DeepFool(Attack):
  """Steps to the nearest of the linearised decision boundaries   (Moosavi-Dezfooli et al., 2016).

      r = |g_k| / |grad g_k|^2 grad g_k,  g_k = l_k - l_c,  k with the smallest |g_k| / |grad g_k|

  until the class c is left; x + (1 + overshoot) sum r. With a target t the one boundary is that of
  g = l_t - max_{k != t} l_k, until t is reached.

  Args:
    objective: none can be given.
    steps: iterations at the most.
    overshoot: how much farther than the boundary.
    candidates: classes of the largest logits of the clean image, the only ones that count.

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
      remedy = "it has none: hide another attack, e.g. cw_l2"
      raise InputError("deepfool alone", "a term for its objective", remedy)
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

    def body(step: Tensor, current: Tensor, total: Tensor, first: Any, _: Tensor) -> Any:
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


class _Best(NamedTuple):
  images: Tensor  # [B, ...]
  square: Tensor  # |images - x|^2, [B]
  success: Tensor  # with the present c, bool [B]


class CWL2(Attack):
  """min_w |x' - x|^2 + c J(x'),  x' = (tanh(w) + 1) / 2   (Carlini and Wagner, 2017).

  J is the margin, and whatever terms are added to it. Adam moves w; c is found by bisection, the
  smallest that succeeds. The result is the nearest image that reached the class (untargeted: left
  it) with a lead of kappa; the clean image where there was none.

  Args:
    objective: None for `Margin(kappa)`.
    kappa: confidence, the lead asked for.
    steps: of Adam for each c.
    searches: values of c.
    first: the first c; ten times more until one succeeds.
    learning_rate: of Adam.
  """

  def __init__(
    self,
    model: TappedModel,
    objective: Objective | None = None,
    *,
    kappa: float = 0.0,
    steps: int = 1000,
    searches: int = 9,
    first: float = 1e-3,
    learning_rate: float = 0.01,
    targeted: bool = True,
    **settings: Any,
  ) -> None:
    self.kappa = number("kappa", kappa, "pass kappa=0", least=0)
    self.searches = whole("searches", searches, "pass searches=9")
    self.first = number("first", first, "pass first=1e-3", above=0)
    rate = number("learning_rate", learning_rate, "pass learning_rate=0.01", above=0)
    self.learning_rate = rate
    objective = Margin(kappa, targeted) if objective is None else objective
    super().__init__(model, objective, steps=steps, targeted=targeted, **settings)

  def _run(self, batch: Batch, weights: Tensor, steps: Tensor) -> Attacked:
    batch, states = self._prepare(batch)
    start = tf.atanh(_INSIDE * (2.0 * batch.images - 1.0))
    samples, lead = tf.shape(start)[:1], Margin(None, self.targeted)

    def loss(images: Tensor) -> tuple[Tensor, Tensor]:
      """J [B], and the logits."""
      logits, features = self.model(images)
      terms = self._terms(states, batch, logits, features)
      return tf.add_n([weights[i] * term for i, term in enumerate(terms)]), logits

    def evaluate(free: Tensor, weight: Tensor, best: _Best) -> tuple[Tensor, _Best]:
      """The gradient with respect to w, and the best images so far."""
      with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(free)
        images = 0.5 * (tf.tanh(free) + 1.0)
        objective, logits = loss(images)
        square = tf.reduce_sum((images - batch.images) ** 2, pixels(images))  # [B]
        total = square + weight * objective
      success = self._success(logits, batch)
      success &= lead.term((), batch, logits, {}) <= -self.kappa
      nearer = success & (square < best.square)
      images, square = pick(nearer, images, best.images), tf.where(nearer, square, best.square)
      return tape.gradient(total, free), _Best(images, square, best.success | success)

    def search(count: Tensor, weight: Tensor, low: Tensor, high: Tensor, best: _Best) -> Any:
      """One value of c."""

      def body(step: Tensor, free: Tensor, first: Tensor, second: Tensor, best: _Best) -> Any:
        gradient, best = evaluate(free, weight, best)
        first = _DECAYS[0] * first + (1 - _DECAYS[0]) * gradient
        second = _DECAYS[1] * second + (1 - _DECAYS[1]) * gradient**2
        age = tf.cast(step + 1, tf.float32)
        rates = tf.sqrt(second / (1 - _DECAYS[1] ** age)) + _TINY
        free -= self.learning_rate * first / (1 - _DECAYS[0] ** age) / rates
        return step + 1, free, first, second, best

      best = best._replace(success=tf.zeros_like(best.success))
      nothing = tf.zeros_like(start)
      variables = (tf.constant(0), start, nothing, nothing, best)
      *_, best = tf.while_loop(
        lambda step, *_: step < steps, body, variables, parallel_iterations=1
      )
      high = tf.where(best.success, weight, high)
      low = tf.where(best.success, low, weight)
      weight = tf.where(tf.math.is_finite(high), 0.5 * (low + high), 10.0 * weight)
      return count + 1, weight, low, high, best

    with tf.GradientTape(watch_accessed_variables=False) as tape:
      tape.watch(batch.images)
      objective, logits = loss(batch.images)
    slope = tape.gradient(objective, batch.images)  # of J alone: |x' - x|^2 would hide a dead one
    reached = self._success(logits, batch)
    unknown = tf.fill(samples, float("inf"))
    best = _Best(batch.images, unknown, tf.fill(samples, False))
    variables = (tf.constant(0), tf.fill(samples, self.first), tf.zeros(samples), unknown, best)
    *_, best = tf.while_loop(
      lambda count, *_: count < self.searches, search, variables, parallel_iterations=1
    )
    return Attacked(best.images, dead([slope]) & ~reached, reached)
