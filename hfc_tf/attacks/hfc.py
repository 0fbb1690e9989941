"""Any attack, hidden by the hierarchical feature constraint."""

from __future__ import annotations

import functools
from typing import Any, Self

from hfc_tf.attacks import AIMS, BALANCED, named
from hfc_tf.attacks.base import Attack
from hfc_tf.attacks.budget import number
from hfc_tf.attacks.loop import GradientAttack
from hfc_tf.attacks.objectives import HFC, TypicalHFC
from hfc_tf.densities.hierarchical import HierarchicalDensity
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel, Taps


class HFCAttack(Attack):
  """A base attack with J + weight J_HFC in place of J   (MICCAI section 4, TMI Eq. 17).

      attack = HFCAttack(model, density, base="pgd", eps=1/256, weight=1.0)
      adversarials = attack(images, targets)

  It is an attack of the base's class too, with all that this class has.

  Args:
    density: HierarchicalDensity fitted on clean Train taps of the same model.
    base: a name in `ATTACKS`.
    weight: of J_HFC; 1 is the papers', 0 gives the base attack bit for bit (of aim "mode");
      "balanced": each image sets its own, see `GradientAttack.balanced`.
    aim: "mode", the papers'; or "typical", see `TypicalHFC`.
    train: labelled taps of clean Train images; for "typical", as `margin` is.
    margin: lead of the target's logit from which on nothing pushes it further.
    levels: of a balanced attack, 2^bits - 1 of the file that the image will be; None for floats.
    squeezing: of a balanced attack, whether squeezed copies must reach the target too.
    settings: of the base attack: eps and step_size in units of the model's bounds, steps, seed,
      batch_size (see `Attack`), and what it alone has (restarts, decay, kernel, kappa, ...).

  Raises:
    InputError: for a base that takes no further term (deepfool), or one that is not targeted; for
      a density of another model; for another aim, or "typical" without `train`.
  """

  def __new__(
    cls, model: Any = None, density: Any = None, base: str = "bim", *others: Any, **settings: Any
  ) -> Self:
    """An object of both classes; copies know theirs already."""
    kind: Any = _of_both(base) if cls is HFCAttack else cls
    made: Self = Attack.__new__(kind, model, density, base, *others, **settings)
    return made

  def __init__(
    self,
    model: TappedModel,
    density: HierarchicalDensity,
    base: str = "bim",
    weight: float | str = 1.0,
    *,
    aim: str = "mode",
    train: Taps | None = None,
    margin: float = 1.0,
    levels: int | None = None,
    squeezing: bool = False,
    **settings: Any,
  ) -> None:
    if aim not in AIMS:
      raise InputError(f"aim among {', '.join(AIMS)}", repr(aim), "name one of them")
    if not isinstance(density, HierarchicalDensity):
      remedy = "pass one fitted on model.taps(...)"
      raise InputError("a HierarchicalDensity", type(density).__name__, remedy)
    if aim == "typical" and train is None:
      raise InputError("clean Train taps with aim='typical'", "none", "pass train=model.taps(...)")
    start: Any = super().__init__  # of the base
    start(model, **settings)
    balanced = weight == "balanced"
    if not balanced and (levels is not None or squeezing):
      raise InputError("weight='balanced' with levels or squeezing", f"{weight}", "leave them out")
    share = 1.0 if balanced else number("weight", weight, "pass weight=1.0 or 'balanced'")
    term = HFC(density, share)
    if train is not None and aim == "typical":
      term = TypicalHFC(density, train, share, margin)
    if balanced and not isinstance(self, GradientAttack):
      raise InputError(f"a base among {', '.join(BALANCED)}", repr(base), "name one of them")
    if balanced:
      balance: Any = self._balance  # type: ignore[attr-defined]
      balance(term, margin, levels, squeezing)
    else:
      self._join(term)

  def _label(self) -> str:
    return f"HFCAttack on {self._kind}"


@functools.cache
def _of_both(base: str) -> type[Attack]:
  kind = named(base)
  return type("HFCAttack", (HFCAttack, kind), {"_kind": kind.__name__, "__doc__": kind.__doc__})
