"""What attacks minimise."""

from hfc_tf.attacks.objectives.base import Batch, Objective, Sum
from hfc_tf.attacks.objectives.classification import (
  Change,
  CrossEntropy,
  LogOdds,
  Margin,
  SqueezedMargin,
  classification,
  mean_gap,
)
from hfc_tf.attacks.objectives.hfc import HFC, TypicalHFC
from hfc_tf.attacks.objectives.neighbours import KDE, LID, Guide
from hfc_tf.attacks.objectives.readings import DetectorScore, FeatureMean

__all__ = [
  "HFC", "KDE", "LID", "Batch", "Change", "CrossEntropy", "DetectorScore", "FeatureMean", "Guide",
  "LogOdds",
  "Margin", "Objective", "SqueezedMargin", "Sum", "TypicalHFC", "classification", "mean_gap",
]  # fmt: skip
