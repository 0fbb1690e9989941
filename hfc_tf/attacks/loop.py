"""The one L-infinity attack loop."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging

from hfc_tf.attacks.balls import Linf
from hfc_tf.attacks.objectives import Batch, CrossEntropy, Objective
from hfc_tf.attacks.updates import Sign
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel

Tensor = Any
PAPER_STEP = 0.02 / 256  # alpha of both papers, in image units


def schedule(
  eps: float, step_size: float | None = None, steps: int | None = None
) -> tuple[float, int]:
  """Step size and number of steps: the papers' alpha = 0.02/256 and T = 2 eps / alpha.

  `steps` alone sets the step size to 2 eps / steps. A path that cannot reach eps warns.

  Raises:
    InputError: for a negative eps, step size or number of steps.
  """
  if not (eps >= 0 and math.isfinite(eps)):
    raise InputError("eps >= 0", f"{eps}", "give the budget in image units, e.g. 1/256")
  if steps is not None and steps < 1:
    raise InputError("at least one step", f"{steps}", "pass steps=20")
  if step_size is not None and not step_size > 0:
    raise InputError("a step size > 0", f"{step_size}", "leave it out for the papers' 0.02/256")
  if step_size is None:
    step_size = PAPER_STEP if steps is None else 2 * eps / steps
  if steps is None:
    steps = max(1, math.ceil(2 * eps / step_size - 1e-9))
  if steps * step_size < eps * (1 - 1e-6):
    logging.warning(
      "%d steps of %.3g/256 cannot reach eps = %.3g/256", steps, step_size * 256, eps * 256
    )
  return step_size, steps


class Attack:
  """x_{t+1} = Pi_eps(x_t + update(grad_x J(x_t))), J = the weighted sum of an objective's terms.

  One compiled loop: a trace for each shape, every number a tensor. Only the gradient with
  respect to the image is computed.

  Args:
    model: the attacked classifier.
    objective: what is minimised.
    update: how a gradient becomes a step.
    ball: the perturbation set.
    eps: budget in image units ([0, 1]); 1/256 in the papers.
    step_size: alpha in image units. steps: iterations. See `schedule`.
    random_start: start at a random point of the ball instead of the image.
    targeted: `targets` are classes to reach; otherwise classes to leave.
    seed: of every random draw, which are keyed by (seed, sample).
    batch_size: images a chunk; the last one is padded. None: 32, or fewer images if that is all.
    jit_compile: XLA; None follows the device (accelerators only: on a CPU the plain graph is
      several times faster).
  """

  random_start = False

  def __init__(
    self,
    model: TappedModel,
    objective: Objective | None = None,
    *,
    update: Sign | None = None,
    ball: Linf | None = None,
    eps: float = 1 / 256,
    step_size: float | None = None,
    steps: int | None = None,
    random_start: bool | None = None,
    targeted: bool = True,
    seed: int = 0,
    batch_size: int | None = None,
    jit_compile: bool | None = None,
  ) -> None:
    self.model = model
    self.objective = CrossEntropy(targeted) if objective is None else objective
    self.update = Sign() if update is None else update
    self.ball = Linf() if ball is None else ball
    self.eps = eps
    self.step_size, self.steps = schedule(eps, step_size, steps)
    self.random_start = type(self).random_start if random_start is None else random_start
    self.seed = seed
    self.batch_size = batch_size
    self.weights = {part.name: part.weight for part in self.objective.parts}
    if jit_compile is None:
      jit_compile = bool(tf.config.list_physical_devices("GPU"))
    self._loop = tf.function(
      self._run, autograph=False, jit_compile=jit_compile, reduce_retracing=True
    )
    # Never compiled by XLA, whose draws for the same key are others.
    self._start = tf.function(self.ball.random_start, autograph=False, reduce_retracing=True)

  def __call__(self, images: Any, targets: Any, ids: Any = None) -> np.ndarray[Any, Any]:
    """Adversarial images, of the shape, range and type of `images`.

    Args:
      images: [N, ...] in the model's bounds; array, tensor, or a tf.data.Dataset of batches.
      targets: int [N], the classes to reach (untargeted: to leave), or one class for all.
      ids: int [N]; random draws are keyed by them. Default 0 ... N - 1.

    Raises:
      InputError: for images that do not fit the model, or classes that it does not have.
    """
    if isinstance(images, tf.data.Dataset):
      images = np.concatenate([np.asarray(batch) for batch in images])
    dtype = np.asarray(images[:1]).dtype
    unit = self.model.to_unit(images)
    classes = np.broadcast_to(np.asarray(targets), [len(unit)]).astype(np.int32)
    if len(unit) and (classes.min() < 0 or classes.max() >= self.model.num_classes):
      raise InputError(
        f"targets between 0 and {self.model.num_classes - 1}",
        f"{classes.min()} to {classes.max()}",
        "name a class that the model has",
      )
    keys = np.arange(len(unit)) if ids is None else np.asarray(ids)
    adversarials = np.empty_like(unit)
    size = self.batch_size or max(1, min(32, len(unit)))
    for label in np.unique(classes):
      rows = np.flatnonzero(classes == label)
      for first in range(0, len(rows), size):
        chosen = rows[first : first + size]
        padded = np.pad(chosen, (0, size - len(chosen)), mode="edge")
        origin, sample = tf.constant(unit[padded]), tf.constant(keys[padded], tf.int32)
        eps = tf.constant(self.eps, tf.float32)
        start = origin
        if self.random_start:
          start = self._start(origin, eps, sample, tf.constant(self.seed, tf.int32))
        result = self._loop(
          Batch(origin, tf.fill([size], tf.constant(label, tf.int32)), sample),
          start,
          tf.constant([self.weights[part.name] for part in self.objective.parts], tf.float32),
          eps,
          tf.constant(self.step_size, tf.float32),
          tf.constant(self.steps, tf.int32),
        )
        adversarials[chosen] = result.numpy()[: len(chosen)]
    return self.model.from_unit(adversarials, dtype)

  def _run(
    self,
    batch: Batch,
    start: Tensor,
    weights: Tensor,
    eps: Tensor,
    step_size: Tensor,
    steps: Tensor,
  ) -> Tensor:
    parts = self.objective.parts
    states = [part.prepare(batch) for part in parts]

    def body(step: Tensor, current: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
      with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(current)
        logits, features = self.model(current)
        terms = [
          part.term(prepared, batch, logits, features)
          for part, prepared in zip(parts, states, strict=True)
        ]
        loss = tf.add_n([weights[i] * term for i, term in enumerate(terms)])  # [B]
      gradient = tape.gradient(loss, current)
      move, state = self.update.step(gradient, state, step_size)
      return step + 1, self.ball.project(current + move, batch.images, eps), state

    _, adversarials, _ = tf.while_loop(
      lambda step, *_: step < steps,
      body,
      (tf.constant(0), start, self.update.init(batch.images)),
      parallel_iterations=1,
    )
    return adversarials
