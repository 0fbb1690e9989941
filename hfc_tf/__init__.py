"""Do feature-space detectors of adversarial medical images hold? The flat public API.

Names are imported when they are asked for, so that a program can quiet TensorFlow first.
"""

from typing import TYPE_CHECKING

from hfc_tf.lazy import exports

if TYPE_CHECKING:
  from hfc_tf import adapters as adapters
  from hfc_tf import data as data
  from hfc_tf import detectors as detectors
  from hfc_tf import evaluation as evaluation
  from hfc_tf.attacks import APGD as APGD
  from hfc_tf.attacks import BIM as BIM
  from hfc_tf.attacks import CW as CW
  from hfc_tf.attacks import CWL2 as CWL2
  from hfc_tf.attacks import DI as DI
  from hfc_tf.attacks import FGSM as FGSM
  from hfc_tf.attacks import MIM as MIM
  from hfc_tf.attacks import PGD as PGD
  from hfc_tf.attacks import TIM as TIM
  from hfc_tf.attacks import Attack as Attack
  from hfc_tf.attacks import DeepFool as DeepFool
  from hfc_tf.attacks import HFCAttack as HFCAttack
  from hfc_tf.attacks import OrthogonalPGD as OrthogonalPGD
  from hfc_tf.attacks import SelectivePGD as SelectivePGD
  from hfc_tf.attacks.export import export_attack as export_attack
  from hfc_tf.densities import HierarchicalDensity as HierarchicalDensity
  from hfc_tf.detectors import export_detector as export_detector
  from hfc_tf.errors import InputError as InputError
  from hfc_tf.taps import TappedModel as TappedModel
  from hfc_tf.taps import Taps as Taps

_ATTACKS = """APGD BIM CW CWL2 DI FGSM MIM PGD TIM Attack DeepFool HFCAttack OrthogonalPGD
SelectivePGD"""
_PLACES = dict.fromkeys(_ATTACKS.split(), "attacks") | {
  "HierarchicalDensity": "densities",
  "InputError": "errors",
  "TappedModel": "taps",
  "Taps": "taps",
  "export_attack": "attacks.export",
  "export_detector": "detectors",
  "adapters": "",
  "data": "",
  "detectors": "",
  "evaluation": "",
}
__version__ = "0.1.0"
__all__ = ["__version__", *sorted(_PLACES)]

if not TYPE_CHECKING:
  __getattr__, __dir__ = exports(__name__, _PLACES)
