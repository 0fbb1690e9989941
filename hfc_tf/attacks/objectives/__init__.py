"""What attacks minimise."""

from hfc_tf.attacks.objectives.base import Batch, Objective, Sum
from hfc_tf.attacks.objectives.classification import (
  Change,
  CrossEntropy,
  LogOdds,
  Margin,
  SqueezedMargin,
)
from hfc_tf.attacks.objectives.classification import classification as classification
from hfc_tf.attacks.objectives.classification import mean_gap as mean_gap
from hfc_tf.attacks.objectives.features import KDE, LID, DetectorScore, FeatureMean, Guide
from hfc_tf.attacks.objectives.hfc import HFC, TypicalHFC

__all__ = [
  "HFC", "KDE", "LID", "Batch", "Change", "CrossEntropy", "DetectorScore", "FeatureMean", "Guide",
  "LogOdds", "Margin", "Objective", "SqueezedMargin", "Sum", "TypicalHFC", "classification",
  "mean_gap",
]  # fmt: skip
