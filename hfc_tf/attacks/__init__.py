"""Attacks by name: objective x update x ball = one loop, and two that are no such loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hfc_tf.attacks.budget import schedule
from hfc_tf.errors import InputError
from hfc_tf.lazy import Registry, exports
from hfc_tf.variants import Kind, Real

if TYPE_CHECKING:
  from hfc_tf.attacks.base import Attack
  from hfc_tf.attacks.draws import sign_noise
  from hfc_tf.attacks.hfc import HFCAttack
  from hfc_tf.attacks.l2 import CWL2, DeepFool
  from hfc_tf.attacks.linf import (
    APGD,
    BIM,
    CW,
    DI,
    FGSM,
    MIM,
    PGD,
    TIM,
    Least,
    OrthogonalPGD,
    SelectivePGD,
  )
  from hfc_tf.attacks.loop import GradientAttack
  from hfc_tf.attacks.objectives import mean_gap
  from hfc_tf.attacks.square import Square
  from hfc_tf.attacks.targets import choose_targets
else:
  _LINF = (
    "APGD", "BIM", "CW", "DI", "FGSM", "Least", "MIM", "OrthogonalPGD", "PGD", "SelectivePGD", "TIM"
  )  # fmt: skip
  __getattr__, __dir__ = exports(__name__, {
    **dict.fromkeys(_LINF, "linf"),
    "Attack": "base",
    "CWL2": "l2",
    "DeepFool": "l2",
    "GradientAttack": "loop",
    "HFCAttack": "hfc",
    "Square": "square",
    "choose_targets": "targets",
    "mean_gap": "objectives",
    "sign_noise": "draws",
  })  # fmt: skip

__all__ = [
  "APGD", "ATTACKS", "BIM", "CW", "CWL2", "DI", "FGSM", "MIM", "PGD", "TIM", "Attack", "DeepFool",
  "GradientAttack", "HFCAttack", "Least", "OrthogonalPGD", "SelectivePGD", "Square",
  "choose_targets", "mean_gap", "named", "schedule", "sign_noise",
]  # fmt: skip

BALANCED = ("bim", "pgd", "mim", "tim", "cw", "apgd")  # which `Attack.balanced` takes
AIMS = ("mode", "typical")  # of the hierarchical feature constraint
ATTACKS: Registry[type[Attack]] = Registry({
  **{name: f"hfc_tf.attacks.linf:{name.upper()}"
     for name in ("fgsm", "bim", "pgd", "mim", "tim", "di", "cw", "apgd")},
  "least": "hfc_tf.attacks.linf:Least",
  "deepfool": "hfc_tf.attacks.l2:DeepFool",
  "cw_l2": "hfc_tf.attacks.l2:CWL2",
})  # fmt: skip
_RESTARTS: Mapping[str, Kind] = {"restarts": range(1, 1001)}
_MANY = range(1, 10**6 + 1)
# Of the constructors, those that --attack=NAME(option=value,...) reaches.
OPTIONS: Mapping[str, Mapping[str, Kind]] = {
  "fgsm": _RESTARTS, "bim": _RESTARTS, "pgd": _RESTARTS,
  "mim": {"decay": Real(0, low_fits=True), **_RESTARTS},
  "tim": {"kernel": range(1, 1000, 2), "reach": Real(0), "depth": bool, **_RESTARTS},
  "di": {"probability": Real(0, 1, True), "smallest": Real(0, 1), **_RESTARTS},
  "cw": {"kappa": Real(0, low_fits=True), **_RESTARTS},
  "apgd": {"naive": bool, **_RESTARTS},
  "least": {"kappa": Real(0), **_RESTARTS},
  "deepfool": {"overshoot": Real(0, low_fits=True), "candidates": _MANY},
  "cw_l2": {
    "kappa": Real(0, low_fits=True), "searches": _MANY, "first": Real(0), "learning_rate": Real(0),
  },
}  # fmt: skip


def named(name: str) -> type[Attack]:
  """The attack of that name.

  Raises:
    InputError: when there is none.
  """
  if name not in ATTACKS:
    raise InputError(f"an attack among {', '.join(ATTACKS)}", repr(name), "name one of them")
  return ATTACKS[name]
