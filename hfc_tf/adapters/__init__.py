"""Bridges to the Adversarial Robustness Toolbox (`art`) and to Foolbox (`foolbox`).

Neither library is needed by the rest of hfc_tf: pip install 'hfc_tf[adapters]'.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hfc_tf.lazy import exports

if TYPE_CHECKING:
  from hfc_tf.adapters.art import ArtAttack as ArtAttack
  from hfc_tf.adapters.art import ArtDetector as ArtDetector
  from hfc_tf.adapters.art_classifier import from_art as from_art
  from hfc_tf.adapters.foolbox import FoolboxAttack as FoolboxAttack
  from hfc_tf.adapters.foolbox import FoolboxModel as FoolboxModel
  from hfc_tf.adapters.foolbox import from_foolbox as from_foolbox

_PLACES = {"ArtAttack": "art", "ArtDetector": "art", "from_art": "art_classifier"}
_PLACES |= dict.fromkeys(("FoolboxAttack", "FoolboxModel", "from_foolbox"), "foolbox")
__all__ = [
  "ArtAttack", "ArtDetector", "FoolboxAttack", "FoolboxModel", "from_art", "from_foolbox",
]  # fmt: skip

if not TYPE_CHECKING:
  __getattr__, __dir__ = exports(__name__, _PLACES)
