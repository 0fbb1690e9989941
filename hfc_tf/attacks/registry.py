"""Attacks by name."""

from hfc_tf.attacks.apgd import APGD
from hfc_tf.attacks.base import Attack
from hfc_tf.attacks.bim import BIM
from hfc_tf.attacks.cw import CW
from hfc_tf.attacks.cw_l2 import CWL2
from hfc_tf.attacks.deepfool import DeepFool
from hfc_tf.attacks.di import DI
from hfc_tf.attacks.fgsm import FGSM
from hfc_tf.attacks.mim import MIM
from hfc_tf.attacks.pgd import PGD
from hfc_tf.attacks.tim import TIM
from hfc_tf.errors import InputError

ATTACKS: dict[str, type[Attack]] = {
  "fgsm": FGSM,
  "bim": BIM,
  "pgd": PGD,
  "mim": MIM,
  "tim": TIM,
  "di": DI,
  "cw": CW,
  "apgd": APGD,
  "deepfool": DeepFool,
  "cw_l2": CWL2,
}


def named(name: str) -> type[Attack]:
  """The attack of that name.

  Raises:
    InputError: when there is none.
  """
  if name not in ATTACKS:
    raise InputError(f"an attack among {', '.join(ATTACKS)}", repr(name), "name one of them")
  return ATTACKS[name]
