"""Attacks by name, and what HFC may aim at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfc_tf.errors import InputError
from hfc_tf.lazy import Registry

if TYPE_CHECKING:
  from hfc_tf.attacks.base import Attack

AIMS = ("mode", "typical")
ATTACKS: Registry[type[Attack]] = Registry({
  "fgsm": "hfc_tf.attacks.fgsm:FGSM",
  "bim": "hfc_tf.attacks.bim:BIM",
  "pgd": "hfc_tf.attacks.pgd:PGD",
  "mim": "hfc_tf.attacks.mim:MIM",
  "tim": "hfc_tf.attacks.tim:TIM",
  "di": "hfc_tf.attacks.di:DI",
  "cw": "hfc_tf.attacks.cw:CW",
  "apgd": "hfc_tf.attacks.apgd:APGD",
  "deepfool": "hfc_tf.attacks.deepfool:DeepFool",
  "cw_l2": "hfc_tf.attacks.cw_l2:CWL2",
})  # fmt: skip


def named(name: str) -> type[Attack]:
  """The attack of that name.

  Raises:
    InputError: when there is none.
  """
  if name not in ATTACKS:
    raise InputError(f"an attack among {', '.join(ATTACKS)}", repr(name), "name one of them")
  return ATTACKS[name]
