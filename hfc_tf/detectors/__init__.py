"""Detectors of adversarial images, by name."""

from __future__ import annotations

import json
import os

from hfc_tf.detectors.base import Detector, read_arrays
from hfc_tf.detectors.bayesian import BayesianUncertainty
from hfc_tf.detectors.dnn import DeepNeuralNetwork
from hfc_tf.detectors.kernel_density import KernelDensity
from hfc_tf.detectors.lid import LocalIntrinsicDimensionality
from hfc_tf.detectors.mahalanobis import Mahalanobis
from hfc_tf.detectors.svm import SupportVectorMachine

DETECTORS: dict[str, type[Detector]] = {
  "kd": KernelDensity,
  "bu": BayesianUncertainty,
  "lid": LocalIntrinsicDimensionality,
  "maha": Mahalanobis,
  "svm": SupportVectorMachine,
  "dnn": DeepNeuralNetwork,
}


def load(path: str | os.PathLike[str]) -> Detector:
  """Reads a saved detector of any kind."""
  key = json.loads(str(read_arrays(path)["config"]))["detector"]
  return DETECTORS[key].load(path)
