"""Any attack, hidden by the hierarchical feature constraint."""

from typing import Any

from hfc_tf.attacks.bim import BIM
from hfc_tf.attacks.loop import Attack
from hfc_tf.attacks.objectives import HFC, CrossEntropy
from hfc_tf.attacks.pgd import PGD
from hfc_tf.densities.hierarchical import HierarchicalDensity
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel

ATTACKS: dict[str, type[Attack]] = {"bim": BIM, "pgd": PGD}


def named(name: str) -> type[Attack]:
  """The attack of that name.

  Raises:
    InputError: when there is none.
  """
  if name not in ATTACKS:
    raise InputError(f"an attack among {', '.join(ATTACKS)}", repr(name), "name one of them")
  return ATTACKS[name]


def HFCAttack(
  model: TappedModel,
  density: HierarchicalDensity,
  base: str = "bim",
  weight: float = 1.0,
  **settings: Any,
) -> Attack:
  """A base attack with J + weight J_HFC in place of J   (MICCAI section 4, TMI Eq. 17).

      attack = HFCAttack(model, density, base="pgd", eps=1/256, weight=1.0)
      adversarials = attack(images, targets)

  Args:
    model: the attacked classifier.
    density: HierarchicalDensity fitted on clean Train taps of the same model.
    base: a name in `ATTACKS`.
    weight: of J_HFC; 1 is the papers', 0 gives the base attack bit for bit.
    settings: passed on to the base attack (eps, step_size, steps, seed, batch_size, ...).
  """
  return named(base)(model, CrossEntropy() + HFC(density, weight), **settings)
