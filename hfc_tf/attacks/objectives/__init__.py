"""What attacks minimise."""

from hfc_tf.attacks.objectives.base import Batch, Objective
from hfc_tf.attacks.objectives.cross_entropy import CrossEntropy
from hfc_tf.attacks.objectives.hfc import HFC

__all__ = ["HFC", "Batch", "CrossEntropy", "Objective"]
