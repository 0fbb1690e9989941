"""Attacks and detectors in the shapes that other libraries of the field ask for."""

from typing import TYPE_CHECKING

from hfc_tf.lazy import exports

if TYPE_CHECKING:
  from hfc_tf.adapters import art as art
  from hfc_tf.adapters import foolbox as foolbox
else:
  __getattr__, __dir__ = exports(__name__, {"art": "", "foolbox": ""})
