"""What an attack minimises: named terms that add up."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from hfc_tf.attacks.describe import brief, plain

Tensor = Any


class Batch(NamedTuple):
  """What an attack knows before its first step. All samples of a batch aim at one class.

  Attributes:
    images: the clean images in [0, 1], [B, ...].
    targets: the class that each is to be taken for (of an untargeted attack: the class that it
      must lose), int32 [B].
    ids: int32 [B]; every random draw of a sample is keyed by its id.
    seed: int32, of all draws.
    features: channel means of the clean images {layer: [B, C_l]}, where a term `reads_clean`.
  """

  images: Tensor
  targets: Tensor
  ids: Tensor
  seed: Tensor = 0
  features: Any = None


class Objective:
  """One or more terms to minimise. `a + b` keeps both apart, `0.3 * a` weighs them.

  A term implements `name`, `prepare` and `term`; a sum is the list of its parts.

  Attributes:
    name: of the term, unique in a sum.
    weight: of the term in a sum.
    toward_target: needs a class to reach, so that an untargeted attack cannot take it.
    reads_clean: needs `Batch.features`.
    goal: what takes the place of the attack's own objective where this term joins it.
  """

  name: str = ""
  weight: float = 1.0
  toward_target = False
  reads_clean = False
  goal: Objective | None = None

  @property
  def parts(self) -> tuple[Objective, ...]:
    """The single terms."""
    return (self,)

  def prepare(self, batch: Batch) -> Any:
    """What the term needs and what does not change between steps."""
    return ()

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """The unweighted term, one value a sample, [B]."""
    raise TypeError(f"{type(self).__name__} has no term")

  def value(self, term: Tensor, state: Any, features: dict[str, Tensor]) -> Tensor:
    """What tells whether one point is better than another, [B]; its gradient is the term's.

    The term itself, unless it is defined by pieces that do not meet.
    """
    return term

  def describe(self) -> dict[str, Any]:
    """Class and settings, the weight aside, as plain JSON values.

    Arrays and what is made of them stand as their SHA-256.
    """
    return self._description

  @functools.cached_property
  def _description(self) -> dict[str, Any]:
    return {name: brief(value) for name, value in plain(self).items() if name != "weight"}

  def __add__(self, other: Objective) -> Objective:
    return Sum((*self.parts, *other.parts))

  def __rmul__(self, factor: float) -> Objective:
    parts = tuple(_scaled(part, factor) for part in self.parts)
    return parts[0] if len(parts) == 1 else Sum(parts)


class Sum(Objective):
  """Several terms; their weights are numbers that may change without a new trace."""

  def __init__(self, parts: tuple[Objective, ...]) -> None:
    self._parts = parts

  @property
  def parts(self) -> tuple[Objective, ...]:
    """The single terms."""
    return self._parts


def _scaled(part: Objective, factor: float) -> Objective:
  copy = object.__new__(type(part))
  copy.__dict__.update(part.__dict__)
  copy.weight = factor * part.weight
  return copy
