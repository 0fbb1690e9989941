"""How gradients become steps."""

from hfc_tf.attacks.updates.balanced import Balanced
from hfc_tf.attacks.updates.base import Here, Update
from hfc_tf.attacks.updates.comparing import AutoStep, Orthogonal, Selective
from hfc_tf.attacks.updates.sign import InputDiversity, Momentum, Sign, TranslationInvariant

__all__ = [
  "AutoStep", "Balanced", "Here", "InputDiversity", "Momentum", "Orthogonal", "Selective", "Sign",
  "TranslationInvariant", "Update",
]  # fmt: skip
