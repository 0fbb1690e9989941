"""Do feature-space detectors of adversarial medical images hold? The flat public API.

Names are imported when they are asked for, so that a program can quiet TensorFlow first.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from hfc_tf import detectors as detectors
  from hfc_tf.attacks import BIM as BIM
  from hfc_tf.attacks import PGD as PGD
  from hfc_tf.attacks import Attack as Attack
  from hfc_tf.attacks import HFCAttack as HFCAttack
  from hfc_tf.densities import HierarchicalDensity as HierarchicalDensity
  from hfc_tf.errors import InputError as InputError
  from hfc_tf.taps import TappedModel as TappedModel
  from hfc_tf.taps import Taps as Taps

_HOMES = {
  "BIM": "attacks",
  "PGD": "attacks",
  "Attack": "attacks",
  "HFCAttack": "attacks",
  "HierarchicalDensity": "densities",
  "InputError": "errors",
  "TappedModel": "taps",
  "Taps": "taps",
}
__all__ = [*sorted(_HOMES), "detectors"]


def __getattr__(name: str) -> Any:
  if name == "detectors":
    return importlib.import_module("hfc_tf.detectors")
  if name in _HOMES:
    return getattr(importlib.import_module(f"hfc_tf.{_HOMES[name]}"), name)
  raise AttributeError(f"module 'hfc_tf' has no attribute {name!r}")
