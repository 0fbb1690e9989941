"""What attacks minimise."""

from hfc_tf.attacks.objectives.base import Batch, Objective, Sum
from hfc_tf.attacks.objectives.cross_entropy import CrossEntropy, LogOdds, classification
from hfc_tf.attacks.objectives.detector_score import DetectorScore
from hfc_tf.attacks.objectives.feature_mean import FeatureMean
from hfc_tf.attacks.objectives.guide import Guide
from hfc_tf.attacks.objectives.hfc import HFC
from hfc_tf.attacks.objectives.kde import KDE
from hfc_tf.attacks.objectives.lid import LID
from hfc_tf.attacks.objectives.margin import Margin, mean_gap
from hfc_tf.attacks.objectives.typical import TypicalHFC

__all__ = [
  "HFC",
  "KDE",
  "LID",
  "Batch",
  "CrossEntropy",
  "DetectorScore",
  "FeatureMean",
  "Guide",
  "LogOdds",
  "Margin",
  "Objective",
  "Sum",
  "TypicalHFC",
  "classification",
  "mean_gap",
]
