"""What all attacks share: images in chunks, one target class a chunk, terms that join with +."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import tensorflow as tf

from hfc_tf.attacks.describe import plain
from hfc_tf.attacks.objectives import Batch, Objective
from hfc_tf.errors import InputError
from hfc_tf.surroundings import default_settings
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
    seed: of every random draw, which are keyed by (seed, sample, step).
    batch_size: images a chunk; the last one is padded. None: 32, or fewer images if that is all.
    jit_compile: XLA; None follows the device (accelerators only: on a CPU the plain graph is
      several times faster).

  Attributes:
    weights: of the objective's terms, by name; they may change without a new trace.
    eps: budget in image units; None for an attack that looks for the smallest perturbation.
    step_size: in image units, None where there is none. steps: the most iterations.

  Raises:
    InputError: for two terms of one name, or a term that needs a target class where there is none.
  """

  eps: float | None
  step_size: float | None
  steps: int

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
    self.model = model
    self.targeted = targeted
    self.seed = seed
    self.batch_size = batch_size
    if jit_compile is None:
      jit_compile = bool(tf.config.list_physical_devices("GPU"))
    self._jit_compile = jit_compile
    self._aim(objective)
    self._compile()

  def _aim(self, objective: Objective) -> None:
    """Takes an objective that fits this attack."""
    names = [part.name for part in objective.parts]
    if len(set(names)) < len(names):
      raise InputError("terms of different names", ", ".join(names), "leave one out")
    for part in objective.parts:
      if part.toward_target and not self.targeted:
        raise InputError(
          "a targeted attack", f"the term {part.name} without a target class", "choose targets"
        )
    self.objective = objective
    self.weights = {part.name: part.weight for part in objective.parts}

  def _compile(self) -> None:
    """Makes the tf.functions of the present objective."""
    raise TypeError(f"{type(self).__name__} cannot attack")

  def _attack(self, batch: Batch) -> Tensor:
    """Adversarial images of one full chunk, [B, ...] in [0, 1]."""
    raise TypeError(f"{type(self).__name__} cannot attack")

  def __add__(self, objective: Objective) -> Self:
    """The same attack on one more term.

    Raises:
      InputError: where the term does not fit.
    """
    other = copy.copy(self)
    goals = [part.goal for part in objective.parts if part.goal is not None]
    other._aim((goals[0] if goals else self.objective) + objective)
    other.weights |= {
      name: weight for name, weight in self.weights.items() if name in other.weights
    }
    other._compile()
    return other

  def describe(self) -> dict[str, Any]:
    """All that the result depends on beside images, classes, ids and model, as plain JSON values.

    Arrays stand as their SHA-256.
    """
    others = ("model", "objective")
    own = {name: value for name, value in vars(self).items() if name not in others}
    terms = {part.name: part.describe() for part in self.objective.parts}
    settings: dict[str, Any] = plain({n: v for n, v in own.items() if not n.startswith("_")})
    return {"class": type(self).__name__, "objective": terms, **settings}

  @default_settings()
  def __call__(self, images: Any, targets: Any, ids: Any = None) -> np.ndarray[Any, Any]:
    """Adversarial images, of the shape, range and type of `images`.

    From one thread at a time: oneDNN's kernels in TensorFlow 2.21 are not safe in several.

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
    for label, rows in _chunks(classes, size):
      padded = np.pad(rows, (0, size - len(rows)), mode="edge")
      batch = Batch(
        tf.constant(unit[padded]),
        tf.fill([size], tf.constant(label, tf.int32)),
        tf.constant(keys[padded], tf.int32),
        tf.constant(self.seed, tf.int32),
      )
      adversarials[rows] = self._attack(batch).numpy()[: len(rows)]
    return self.model.from_unit(adversarials, dtype)

  def _weights(self) -> Tensor:
    """The weights in the order of the objective's terms, [T]."""
    weights = [self.weights[part.name] for part in self.objective.parts]
    return tf.convert_to_tensor(weights, tf.float32)


def _chunks(classes: np.ndarray[Any, Any], size: int) -> Iterator[tuple[Any, np.ndarray[Any, Any]]]:
  """Each class, and at most `size` rows that share it."""
  for label in np.unique(classes):
    rows = np.flatnonzero(classes == label)
    for first in range(0, len(rows), size):
      yield label, rows[first : first + size]
