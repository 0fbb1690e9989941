"""How gradients become steps."""

from hfc_tf.attacks.updates.auto_step import AutoStep
from hfc_tf.attacks.updates.base import Here, Sign, Update
from hfc_tf.attacks.updates.diversity import InputDiversity
from hfc_tf.attacks.updates.momentum import Momentum
from hfc_tf.attacks.updates.orthogonal import Orthogonal, Selective
from hfc_tf.attacks.updates.translation import TranslationInvariant

__all__ = [
  "AutoStep",
  "Here",
  "InputDiversity",
  "Momentum",
  "Orthogonal",
  "Selective",
  "Sign",
  "TranslationInvariant",
  "Update",
]
