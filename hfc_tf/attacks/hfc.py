"""Any attack, hidden by the hierarchical feature constraint."""

from typing import Any

from hfc_tf.attacks.base import Attack
from hfc_tf.attacks.objectives import HFC, TypicalHFC
from hfc_tf.attacks.registry import AIMS, named
from hfc_tf.densities.hierarchical import HierarchicalDensity
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel, Taps


def HFCAttack(
  model: TappedModel,
  density: HierarchicalDensity,
  base: str = "bim",
  weight: float = 1.0,
  *,
  aim: str = "mode",
  train: Taps | None = None,
  scale: float = 1.0,
  margin: float = 1.0,
  **settings: Any,
) -> Attack:
  """A base attack with J + weight J_HFC in place of J   (MICCAI section 4, TMI Eq. 17).

      attack = HFCAttack(model, density, base="pgd", eps=1/256, weight=1.0)
      adversarials = attack(images, targets)

  Args:
    model: the attacked classifier.
    density: HierarchicalDensity fitted on clean Train taps of the same model.
    base: a name in `ATTACKS`.
    weight: of J_HFC; 1 is the papers', 0 gives the base attack bit for bit (of aim "mode").
    aim: "mode", the papers'; or "typical", see `TypicalHFC`.
    train: labelled taps of clean Train images; for "typical", as `scale` and `margin` are.
    scale: of the residuals of clean images that the features are to have.
    margin: lead of the target's logit from which on nothing pushes it further.
    settings: passed on to the base attack (eps, step_size, steps, seed, batch_size, ...).

  Raises:
    InputError: for a base that takes no further term (deepfool), or one that is not targeted; for
      another aim, or "typical" without `train`.
  """
  if aim not in AIMS:
    raise InputError(f"aim among {', '.join(AIMS)}", repr(aim), "name one of them")
  if aim == "mode":
    return named(base)(model, **settings) + HFC(density, weight)
  if train is None:
    raise InputError("clean Train taps with aim='typical'", "none", "pass train=model.taps(...)")
  return named(base)(model, **settings) + TypicalHFC(density, train, weight, scale, margin)
