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
  """What an attack knows before its first step. All samples of a batch aim at one class."""

  images: Tensor  # the clean ones in [0, 1], [B, ...]
  targets: Tensor  # the class that each is to be taken for (untargeted: must lose), int32 [B]
  ids: Tensor  # every random draw of a sample is keyed by its id, int32 [B]
  seed: Tensor = 0  # of all draws, int32
  features: Any = None  # of the clean images {layer: [B, C_l]}, where a term `reads_clean`
  shown: Any = None  # the images that the model sees at this step, [B, ...]; None before the first


class Objective:
  """One or more terms to minimise. `a + b` keeps both apart, `0.3 * a` weighs them.

  A term implements `name`, `prepare` and `term`; a sum is the list of its terms.
  """

  name: str = ""  # of the term, unique in a sum
  weight: float = 1.0  # of the term in a sum
  toward_target = False  # needs a class to reach, so that an untargeted attack cannot take it
  reads_clean = False  # needs `Batch.features`
  goal: Objective | None = None  # takes the place of the attack's objective where this term joins
  _reads: Mapping[str, Any] = {}  # layer: C_l of the features it needs; None for any number
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
    """What tells which point is better, [B]: the term, unless its pieces do not meet."""
    return term

  @functools.cached_property
  def description(self) -> dict[str, Any]:
    """Class and settings, the weight aside, as plain JSON values; arrays as their digest."""
    return {name: brief(value) for name, value in plain(self).items() if name != "weight"}

  def check_model(self, model: TappedModel) -> None:
    """Raises an InputError for a term that was fitted to taps of another network."""
    remedy = "fit it on taps of the attacked model"
    for name, width in self._reads.items():
      channels = model.widths.get(name)
      if channels is None or width not in (None, channels):
        expected = f"a model whose layer {name} has {width or 'its'} channels, as {self.name} reads"
        actual = f"{channels}" if name in model.widths else "no such layer"
        raise InputError(f"{expected} it", actual, remedy)
    if self._classes not in (None, model.num_classes):
      expected = f"a model of {self._classes} classes, as {self.name} was fitted on"
      raise InputError(expected, f"{model.num_classes}", remedy)

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
  """An objective; an InputError for anything else."""
  if not isinstance(objective, Objective):
    remedy = "pass e.g. Margin() or 0.3 * HFC(density)"
    raise InputError("an objective", type(objective).__name__, remedy)
  return objective
