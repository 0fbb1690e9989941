"""What an attack minimises: named terms that add up."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

from hfc_tf.attacks.budget import number
from hfc_tf.attacks.describe import brief, plain, shown
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel

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
    shown: the images that the model sees at this step, [B, ...]; None before the first.
  """

  images: Tensor
  targets: Tensor
  ids: Tensor
  seed: Tensor = 0
  features: Any = None
  shown: Any = None


class Objective:
  """One or more terms to minimise. `a + b` keeps both apart, `0.3 * a` weighs them.

  A term implements `name`, `prepare` and `term`; a sum is the list of its terms.

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
  _reads: Mapping[str, int | None] = {}  # layer: C_l of the features it needs; None for any number
  _classes: int | None = None  # how many the model must have; None for any number

  @property
  def terms(self) -> tuple[Objective, ...]:
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

    Arrays and what is made of them stand as their digest.
    """
    return self._description

  @functools.cached_property
  def _description(self) -> dict[str, Any]:
    return {name: brief(value) for name, value in plain(self).items() if name != "weight"}

  def check_model(self, model: TappedModel) -> None:
    """Raises an InputError for a term that was fitted to taps of another network."""
    for name, width in self._reads.items():
      actual = model.widths.get(name)
      if actual is None or width not in (None, actual):
        raise InputError(
          f"a model whose layer {name} has {width or 'its'} channels, as {self.name} reads it",
          "no such layer" if name not in model.widths else f"{actual}",
          "fit it on taps of the attacked model",
        )
    if self._classes not in (None, model.num_classes):
      raise InputError(
        f"a model of {self._classes} classes, as {self.name} was fitted on",
        f"{model.num_classes}",
        "fit it on taps of the attacked model",
      )

  def __repr__(self) -> str:
    return f"{self.weight:g} * {shown(self)}"

  def __add__(self, other: Objective) -> Objective:
    return Sum((*self.terms, *checked(other).terms))

  def __rmul__(self, factor: float) -> Objective:
    factor = number("a weight", factor, "pass e.g. 0.3 * HFC(density)")
    terms = tuple(map(copy.copy, self.terms))
    for term in terms:
      term.weight = factor * term.weight
    return terms[0] if len(terms) == 1 else Sum(terms)


class Sum(Objective):
  """Several terms; their weights are numbers that may change without a new trace."""

  def __init__(self, terms: tuple[Objective, ...]) -> None:
    self._terms = terms

  @property
  def terms(self) -> tuple[Objective, ...]:
    """The single terms."""
    return self._terms

  def __repr__(self) -> str:
    return " + ".join(map(repr, self._terms))


def checked(objective: Any) -> Objective:
  """An objective.

  Raises:
    InputError: for anything else.
  """
  if not isinstance(objective, Objective):
    raise InputError(
      "an objective", type(objective).__name__, "pass e.g. Margin() or 0.3 * HFC(density)"
    )
  return objective
