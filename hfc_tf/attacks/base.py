"""What all attacks share: images in chunks, one target class a chunk, terms that join with +."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import tensorflow as tf

from hfc_tf.attacks import inputs, outcome
from hfc_tf.attacks.balls import rounded
from hfc_tf.attacks.budget import checked_seed, number, whole
from hfc_tf.attacks.objectives.base import Batch, Objective, Tensor, checked
from hfc_tf.attacks.outcome import Attacked
from hfc_tf.attacks.progress import reporter
from hfc_tf.attacks.settings import Described
from hfc_tf.errors import InputError
from hfc_tf.surroundings import COMPUTE_LOCK, default_settings
from hfc_tf.taps import TappedModel

BUDGET = ("eps", "step_size", "steps")
_NUMBERS = {*BUDGET, "seed", "batch_size", "weights", "random_start", "restarts"}  # not compiled in


class Attack(Described):
  """Images and classes in, adversarial images out; `PGD(model) + 0.3 * HFC(density)` adds a term.

  Args:
    objective: what is minimised.
    steps: the most iterations.
    eps: see `GradientAttack`; unused and None where the smallest perturbation is sought.
    step_size: see `GradientAttack`; unused and None where the smallest perturbation is sought.
    targeted: `targets` are classes to reach; otherwise to leave.
    seed: of every random draw, which are keyed by (purpose, seed, sample, step); 0 ... 2^31 - 1.
    batch_size: images a chunk; the last one is padded. None: 32, or fewer images if that is all.
    free_channels: whether three equal channels may be changed apart, as the papers do.
    jit_compile: XLA; None: on accelerators only, since a CPU's plain graph is several times faster.

  Attributes:
    weights: of the objective's terms, by name. Like all numbers they may change without a new
      trace; any other setting that changes is compiled anew.

  Raises:
    InputError: for a model that is not tapped, two terms of one name, a term that needs a target
      class where there is none, or one that was fitted to another model.
  """

  eps: float | None
  step_size: float | None
  steps: int
  _compiled = False

  def __init__(
    self,
    model: TappedModel,
    objective: Objective,
    *,
    steps: int | None,
    eps: float | None = None,
    step_size: float | None = None,
    targeted: bool = True,
    seed: int = 0,
    batch_size: int | None = None,
    free_channels: bool = False,
    jit_compile: bool | None = None,
  ) -> None:
    if not isinstance(model, TappedModel):
      remedy = "wrap the model: hfc_tf.TappedModel(model)"
      raise InputError("a TappedModel", type(model).__name__, remedy)
    self.model, self.free_channels = model, free_channels
    self.targeted = targeted
    self.seed = checked_seed(seed)
    sized = batch_size is not None
    self.batch_size = whole("batch_size", batch_size, "pass batch_size=32") if sized else None
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    self._jit_compile = on_gpu if jit_compile is None else jit_compile
    self._spend(eps, step_size, steps)
    self._aim(objective)
    self._compile()
    self._compiled = True

  def __setattr__(self, name: str, value: Any) -> None:
    if self._compiled and name == "targeted" and value != self.targeted:
      raise InputError(f"an attack made with targeted={value}", "another", "construct it anew")
    super().__setattr__(name, value)
    if self._compiled and not name.startswith("_") and name not in _NUMBERS:
      self._compile()

  def _spend(self, eps: float | None, step_size: float | None, steps: int | None) -> None:
    """Takes the budget and its steps."""
    self.eps = self.step_size = None
    self.steps = whole("steps", steps, "pass steps=50")

  def _aim(self, objective: Objective) -> None:
    """Takes an objective that fits this attack."""
    names = [term.name for term in checked(objective).terms]
    if len(set(names)) < len(names):
      raise InputError("terms of different names", ", ".join(names), "leave one out")
    for term in objective.terms:
      if term.toward_target and not self.targeted:
        actual = f"the term {term.name} without a target class"
        raise InputError("a targeted attack", actual, "choose targets")
      term.check_model(self.model)
      number(f"the weight of {term.name}", term.weight, "pass weight=1.0")
    self.objective = objective
    self.weights = {term.name: term.weight for term in objective.terms}

  def _compile(self) -> None:
    """Makes the tf.functions of the present objective."""
    self._loop = self._function(self._run)

  def _function(self, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of a batch and tensors, compiled for each number of channels."""

    @functools.cache
    def compiled(channels: int) -> Any:
      return tf.function(
        function, autograph=False, jit_compile=self._jit_compile, reduce_retracing=True
      )

    return lambda batch, *tensors: compiled(batch.images.shape[-1])(batch, *tensors)

  def _attack(self, batch: Batch) -> Attacked:
    """Adversarial images of one full chunk."""
    numbers = self._numbers()
    return Attacked(*self._loop(batch, numbers["weights"], numbers["steps"]))

  def _run(self, *tensors: Any) -> Attacked:
    """What is compiled."""
    raise TypeError(f"{type(self).__name__} cannot attack")

  def _numbers(self) -> dict[str, Tensor]:
    """What the compiled loop is given at each call: weights [T], steps, and the budget if any."""
    weights = [
      number(f"the weight of {term.name}", self.weights[term.name], "pass weight=1.0")
      for term in self.objective.terms
    ]
    steps = tf.constant(whole("steps", self.steps, "pass steps=20"), tf.int32)
    floats = {"weights": weights, "eps": self.eps, "step_size": self.step_size}
    given = {name: value for name, value in floats.items() if value is not None}
    return {"steps": steps, **{n: tf.constant(value, tf.float32) for n, value in given.items()}}

  def _prepare(self, batch: Batch) -> tuple[Batch, list[Any]]:
    """The batch with what its terms ask for, and the terms' states."""
    if any(term.reads_clean for term in self.objective.terms):
      batch = batch._replace(features=self.model(batch.images)[1])
    return batch, [term.prepare(batch) for term in self.objective.terms]

  def _terms(self, states: list[Any], batch: Batch, logits: Tensor, features: Any) -> list[Tensor]:
    """Each term, unweighted, [B]."""
    return [
      term.term(state, batch, logits, features)
      for term, state in zip(self.objective.terms, states, strict=True)
    ]

  def _success(self, logits: Tensor, batch: Batch) -> Tensor:
    """Where the class is reached (untargeted: left), bool [B]."""
    reached = tf.argmax(logits, 1, output_type=tf.int32) == batch.targets
    return reached if self.targeted else ~reached

  def __add__(self, objective: Objective) -> Self:
    """The same attack on one more term; an InputError where it does not fit."""
    other = copy.copy(self)
    other._join(objective)
    return other

  def _join(self, objective: Objective) -> None:
    """Adds a term, or puts what it aims at in the place of the objective."""
    weights = self.weights
    goals = [term.goal for term in checked(objective).terms if term.goal is not None]
    self._aim((goals[0] if goals else self.objective) + objective)
    self.weights |= {name: weight for name, weight in weights.items() if name in self.weights}

  @default_settings()
  def __call__(
    self,
    images: Any,
    targets: Any = None,
    ids: Any = None,
    *,
    batch_size: int | None = None,
    verbose: int | str = 0,
    callbacks: Any = None,
  ) -> np.ndarray[Any, Any]:
    """Adversarial images, of the shape, range and type of `images`, within eps of them.

    Safe to call from several threads, which then wait for one another.

    Args:
      images: [N, ...] in the model's bounds; array, tensor, a tf.data.Dataset of batches of images
        or of (images, targets), or a batch {"image": images, "label": true classes}.
      targets: int [N], the classes to reach (untargeted: to leave), one class for all, or one-hot
        rows [N, K]; None where the dataset has them.
      ids: int [N]; random draws are keyed by them. Default 0 ... N - 1.
      batch_size: images a chunk in this call; None: the attack's.
      verbose: 0, or 1 (2) for Keras's progress bar (one line at the end), as in `predict`.
      callbacks: one or several, each called after a chunk as (images done, all images, logs), or
        an object with such an `on_batch`, e.g. `progress.TensorBoard`; logs hold the chunk's mean
        change in units of the range, and seconds. Steps of a chunk are one compiled program.

    Raises:
      InputError: for images that do not fit the model, classes that it does not have, targets or
        ids of another length.
    """
    images, targets = inputs.of_dictionary(images, targets, self.targeted)
    images, targets = inputs.unpacked(images, targets, len(self.model.input_shape) + 1)
    given = inputs.array(images)
    unit = self.model.to_unit(given)
    classes = inputs.classes(targets, len(unit), self.model.num_classes)
    keys = inputs.sample_ids(ids, len(unit))
    seed = tf.constant(checked_seed(self.seed), tf.int32)
    made = unit.copy()
    silent, reached = np.zeros((2, len(unit)), bool)
    if batch_size is not None:
      whole("batch_size", batch_size, "pass batch_size=32")
    size, done = batch_size or self.batch_size or max(1, min(32, len(unit))), 0
    report = reporter(callbacks, verbose, len(unit))
    grey = np.zeros(len(unit), bool) if self.free_channels else inputs.grey(unit)
    for rows in inputs.chunks(2 * classes + grey, size):  # of a class, grey apart from others
      padded = np.pad(rows, (0, size - len(rows)), mode="edge")
      chunk, aims, samples = (tf.constant(each[padded]) for each in (unit, classes, keys))
      batch = Batch(chunk[..., :1] if grey[rows[0]] else chunk, aims, samples, seed)
      with COMPUTE_LOCK:
        moved, *first = (value.numpy()[: len(rows)] for value in self._attack(batch))
      finite = np.isfinite(moved)
      made[rows] = np.where(finite, moved, unit[rows])
      silent[rows] = first[0] | ~finite.reshape(len(rows), -1).all(1)
      reached[rows] = first[1]
      done += len(rows)
      report(done, {"mean_change": float(np.abs(made[rows] - unit[rows]).mean())})
    adversarials = rounded(made, given, self.eps, self.model.bounds)
    if self.eps != 0:
      outcome.warn(self._label(), self.targeted, silent, reached)
    changed, settings = made != unit, (given.dtype, self.eps, self.model.bounds)
    undone = (changed & (adversarials == given)).sum()
    outcome.warn_of_rounding(self._label(), undone, changed.sum(), *settings)
    return adversarials
