"""Detectors of adversarial images, by name."""

from __future__ import annotations

import json
import os

from hfc_tf.detectors.base import Detector
from hfc_tf.detectors.bayesian import BayesianUncertainty
from hfc_tf.detectors.dnn import DeepNeuralNetwork
from hfc_tf.detectors.export import export_detector
from hfc_tf.detectors.hfc_score import HFCScore
from hfc_tf.detectors.images import ImageDetector
from hfc_tf.detectors.kernel_density import KernelDensity
from hfc_tf.detectors.lid import LocalIntrinsicDimensionality
from hfc_tf.detectors.mahalanobis import Mahalanobis
from hfc_tf.detectors.mahalanobis_step import SteppedMahalanobis
from hfc_tf.detectors.multivariate_gaussian import MultivariateGaussian
from hfc_tf.detectors.nearest_neighbors import NearestNeighbors
from hfc_tf.detectors.saved_model import SavedModelDetector
from hfc_tf.detectors.squeezing import FeatureSqueezing
from hfc_tf.detectors.storage import read_arrays
from hfc_tf.detectors.svm import SupportVectorMachine
from hfc_tf.errors import InputError

__all__ = [
  "DETECTORS",
  "BayesianUncertainty",
  "DeepNeuralNetwork",
  "Detector",
  "FeatureSqueezing",
  "HFCScore",
  "ImageDetector",
  "KernelDensity",
  "LocalIntrinsicDimensionality",
  "Mahalanobis",
  "MultivariateGaussian",
  "NearestNeighbors",
  "SavedModelDetector",
  "SteppedMahalanobis",
  "SupportVectorMachine",
  "export_detector",
  "load",
]

DETECTORS: dict[str, type[Detector]] = {
  "kd": KernelDensity,
  "bu": BayesianUncertainty,
  "lid": LocalIntrinsicDimensionality,
  "maha": Mahalanobis,
  "svm": SupportVectorMachine,
  "dnn": DeepNeuralNetwork,
  "mgm": MultivariateGaussian,
  "knn": NearestNeighbors,
  "squeezing": FeatureSqueezing,
  "maha_step": SteppedMahalanobis,
  "hfc_score": HFCScore,
}


def load(path: str | os.PathLike[str]) -> Detector:
  """Reads a saved detector of any kind.

  Raises:
    InputError: no such file, a damaged one, or one of an unknown kind.
  """
  key = json.loads(str(read_arrays(path)["config"]))["detector"]
  kinds: dict[str, type[Detector]] = {**DETECTORS, SavedModelDetector.key: SavedModelDetector}
  if key not in kinds:
    raise InputError(f"a saved detector among {', '.join(kinds)}", key, "update hfc_tf")
  return kinds[key].load(path)
