"""Do feature-space detectors of adversarial medical images hold? The flat public API."""

from hfc_tf import detectors
from hfc_tf.attacks import BIM, PGD, Attack, HFCAttack
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel, Taps

__all__ = [
  "BIM",
  "PGD",
  "Attack",
  "HFCAttack",
  "HierarchicalDensity",
  "InputError",
  "TappedModel",
  "Taps",
  "detectors",
]
