"""What all attacks share: images in chunks, one target class a chunk, terms that join with +."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import tensorflow as tf
from absl import logging

from hfc_tf.attacks import first_step, inputs
from hfc_tf.attacks.describe import plain, shown
from hfc_tf.attacks.first_step import Attacked
from hfc_tf.attacks.objectives import Batch, Objective
from hfc_tf.attacks.objectives.base import checked, refuse_other_model
from hfc_tf.attacks.rounding import rounded
from hfc_tf.errors import InputError
from hfc_tf.surroundings import COMPUTE_LOCK, default_settings
from hfc_tf.taps import TappedModel

Tensor = Any


class Attack:
  """Images and classes in, adversarial images out.

  A subclass implements `_compile` and `_attack`. `attack + term` is the same attack on one more
  term, e.g. `PGD(model, eps=1 / 256) + 0.3 * HFC(density)`.

  Args:
    model: the attacked classifier.
    objective: what is minimised.
    targeted: `targets` are classes to reach; otherwise classes to leave.
    seed: of every random draw, which are keyed by (purpose, seed, sample, step); 0 ... 2^31 - 1.
    batch_size: images a chunk; the last one is padded. None: 32, or fewer images if that is all.
    jit_compile: XLA; None follows the device (accelerators only: on a CPU the plain graph is
      several times faster).

  Attributes:
    weights: of the objective's terms, by name; they may change without a new trace.
    eps: budget in units of the model's bounds (bounds (0, 1): 1/256; bounds (0, 255): 1); None for
      an attack that looks for the smallest perturbation.
    step_size: in the same units, None where there is none. steps: the most iterations.
    Numbers may change between calls; any other setting that changes is compiled anew.

  Raises:
    InputError: for a model that is not tapped, two terms of one name, a term that needs a target
      class where there is none, or one that was fitted to another model.
  """

  eps: float | None
  step_size: float | None
  steps: int
  _compiled = False
  _kind = ""  # the class that descriptions name, where it is not this one
  _numeric = frozenset(
    ("seed", "batch_size", "weights", "eps", "step_size", "steps", "random_start", "restarts")
  )

  def __init__(
    self,
    model: TappedModel,
    objective: Objective,
    *,
    targeted: bool = True,
    seed: int = 0,
    batch_size: int | None = None,
    jit_compile: bool | None = None,
  ) -> None:
    self.model = inputs.tapped(model)
    self.targeted = targeted
    self.seed = inputs.checked_seed(seed)
    if batch_size is not None:
      batch_size = inputs.whole("batch_size", batch_size, "pass batch_size=32")
    self.batch_size = batch_size
    if jit_compile is None:
      jit_compile = bool(tf.config.list_physical_devices("GPU"))
    self._jit_compile = jit_compile
    self._aim(objective)
    self._compile()
    self._compiled = True

  def __setattr__(self, name: str, value: Any) -> None:
    if self._compiled and name == "targeted" and value != self.targeted:
      raise InputError(f"an attack made with targeted={value}", "another", "construct it anew")
    super().__setattr__(name, value)
    if self._compiled and not name.startswith("_") and name not in self._numeric:
      self._compile()

  def _aim(self, objective: Objective) -> None:
    """Takes an objective that fits this attack."""
    names = [part.name for part in checked(objective).parts]
    if len(set(names)) < len(names):
      raise InputError("terms of different names", ", ".join(names), "leave one out")
    for part in objective.parts:
      if part.toward_target and not self.targeted:
        raise InputError(
          "a targeted attack", f"the term {part.name} without a target class", "choose targets"
        )
      refuse_other_model(part, self.model)
      inputs.number(f"the weight of {part.name}", part.weight, "pass weight=1.0")
    self.objective = objective
    self.weights = {part.name: part.weight for part in objective.parts}

  def _compile(self) -> None:
    """Makes the tf.functions of the present objective."""
    raise TypeError(f"{type(self).__name__} cannot attack")

  def _attack(self, batch: Batch) -> Attacked:
    """Adversarial images of one full chunk."""
    raise TypeError(f"{type(self).__name__} cannot attack")

  def __add__(self, objective: Objective) -> Self:
    """The same attack on one more term.

    Raises:
      InputError: where the term does not fit.
    """
    other = copy.copy(self)
    other._join(objective)
    return other

  def _join(self, objective: Objective) -> None:
    """Adds a term, or puts what it aims at in the place of the objective."""
    weights = self.weights
    goals = [part.goal for part in checked(objective).parts if part.goal is not None]
    self._aim((goals[0] if goals else self.objective) + objective)
    self.weights |= {name: weight for name, weight in weights.items() if name in self.weights}

  def __repr__(self) -> str:
    low, high = self.model.bounds
    settings: dict[str, Any] = {"steps": self.steps, "targeted": self.targeted, "seed": self.seed}
    if self.eps is not None and self.step_size is not None:
      units = {"eps": self.eps, "step_size": self.step_size}
      settings = {
        name: f"{value:g} ({256 * value / (high - low):g}/256 of [{low:g}, {high:g}])"
        for name, value in units.items()
      } | settings
    objective = " + ".join(
      f"{self.weights[part.name]:g} * {shown(part)}" for part in self.objective.parts
    )
    texts = [f"{name}={value}" for name, value in settings.items()]
    texts += [f"objective={objective}"] if objective else []
    return f"{self._label}({', '.join(texts)})"

  @property
  def _label(self) -> str:
    return type(self).__name__

  def describe(self) -> dict[str, Any]:
    """All that the result depends on beside images, classes, ids and model, as plain JSON values.

    Arrays stand as their SHA-256.
    """
    others = ("model", "objective")
    own = {name: value for name, value in vars(self).items() if name not in others}
    own |= {"eps": self.eps, "step_size": self.step_size, "steps": self.steps}
    terms = {part.name: part.describe() for part in self.objective.parts}
    settings: dict[str, Any] = plain({n: v for n, v in own.items() if not n.startswith("_")})
    return {"class": self._kind or type(self).__name__, "objective": terms, **settings}

  @default_settings()
  def __call__(self, images: Any, targets: Any = None, ids: Any = None) -> np.ndarray[Any, Any]:
    """Adversarial images, of the shape, range and type of `images`, within eps of them.

    Safe to call from several threads, which then wait for one another.

    Args:
      images: [N, ...] in the model's bounds; array, tensor, or a tf.data.Dataset of batches of
        images or of (images, targets).
      targets: int [N], the classes to reach (untargeted: to leave), one class for all, or one-hot
        rows [N, K]; None where the dataset has them.
      ids: int [N]; random draws are keyed by them. Default 0 ... N - 1.

    Raises:
      InputError: for images that do not fit the model, classes that it does not have, targets or
        ids of another length.
    """
    images, targets = inputs.unpacked(images, targets, len(self.model.input_shape) + 1)
    given = inputs.array(images)
    unit = self.model.to_unit(given)
    classes = inputs.classes(targets, len(unit), self.model.num_classes)
    keys = inputs.sample_ids(ids, len(unit))
    seed = inputs.checked_seed(self.seed)
    adversarials = np.empty(unit.shape, given.dtype)
    silent, reached = np.zeros(len(unit), bool), np.zeros(len(unit), bool)
    moved = lost = 0
    size = self.batch_size or max(1, min(32, len(unit)))
    for label, rows in _chunks(classes, size):
      padded = np.pad(rows, (0, size - len(rows)), mode="edge")
      batch = Batch(
        tf.constant(unit[padded]),
        tf.fill([size], tf.constant(label, tf.int32)),
        tf.constant(keys[padded], tf.int32),
        tf.constant(seed, tf.int32),
      )
      with COMPUTE_LOCK:
        made, *seen = (value.numpy()[: len(rows)] for value in self._attack(batch))
      finite = np.isfinite(made)
      made = np.where(finite, made, unit[rows])
      silent[rows] = seen[0] | ~finite.reshape(len(rows), -1).all(1)
      reached[rows] = seen[1]
      adversarials[rows] = rounded(made, given[rows], self.eps, self.model.bounds)
      moved += int(np.count_nonzero(made != unit[rows]))
      same = adversarials[rows] == given[rows]
      lost += int(np.count_nonzero((made != unit[rows]) & same))
    if self.eps != 0:
      first_step.warn(self._label, self.targeted, silent, reached)
    if lost > moved / 2:
      logging.warning(
        "%s: rounding to %s undoes %.0f %% of the changed values, since eps = %s of images in "
        "[%g, %g] is near or below the distance of its values; pass float32 images or a larger eps",
        self._label, given.dtype, 100 * lost / moved, self.eps, *self.model.bounds,
      )  # fmt: skip
    return adversarials

  def _numbers(self) -> dict[str, Tensor]:
    """What the compiled loop is given at each call: weights and, where it has them, NUMBERS."""
    steps = inputs.whole("steps", self.steps, "pass steps=20")
    numbers = {"weights": self._weights(), "steps": tf.convert_to_tensor(steps, tf.int32)}
    for name in ("eps", "step_size"):
      if getattr(self, name) is not None:
        numbers[name] = tf.convert_to_tensor(getattr(self, name), tf.float32)
    return numbers

  def _weights(self) -> Tensor:
    """The weights in the order of the objective's terms, [T]."""
    weights = [
      inputs.number(f"the weight of {part.name}", self.weights[part.name], "pass weight=1.0")
      for part in self.objective.parts
    ]
    return tf.convert_to_tensor(weights, tf.float32)


def _chunks(classes: np.ndarray[Any, Any], size: int) -> Iterator[tuple[Any, np.ndarray[Any, Any]]]:
  """Each class, and at most `size` rows that share it."""
  for label in np.unique(classes):
    rows = np.flatnonzero(classes == label)
    for first in range(0, len(rows), size):
      yield label, rows[first : first + size]
