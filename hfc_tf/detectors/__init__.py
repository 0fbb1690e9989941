"""Detectors of adversarial images, by name."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from hfc_tf.errors import InputError
from hfc_tf.lazy import Registry, exports

if TYPE_CHECKING:
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
  from hfc_tf.detectors.svm import SupportVectorMachine
else:
  __getattr__, __dir__ = exports(__name__, {
    "BayesianUncertainty": "bayesian",
    "DeepNeuralNetwork": "dnn",
    "Detector": "base",
    "FeatureSqueezing": "squeezing",
    "HFCScore": "hfc_score",
    "ImageDetector": "images",
    "KernelDensity": "kernel_density",
    "LocalIntrinsicDimensionality": "lid",
    "Mahalanobis": "mahalanobis",
    "MultivariateGaussian": "multivariate_gaussian",
    "NearestNeighbors": "nearest_neighbors",
    "SavedModelDetector": "saved_model",
    "SteppedMahalanobis": "mahalanobis_step",
    "SupportVectorMachine": "svm",
    "export_detector": "export",
  })  # fmt: skip

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

DETECTORS: Registry[type[Detector]] = Registry({
  "kd": "hfc_tf.detectors.kernel_density:KernelDensity",
  "bu": "hfc_tf.detectors.bayesian:BayesianUncertainty",
  "lid": "hfc_tf.detectors.lid:LocalIntrinsicDimensionality",
  "maha": "hfc_tf.detectors.mahalanobis:Mahalanobis",
  "svm": "hfc_tf.detectors.svm:SupportVectorMachine",
  "dnn": "hfc_tf.detectors.dnn:DeepNeuralNetwork",
  "mgm": "hfc_tf.detectors.multivariate_gaussian:MultivariateGaussian",
  "knn": "hfc_tf.detectors.nearest_neighbors:NearestNeighbors",
  "squeezing": "hfc_tf.detectors.squeezing:FeatureSqueezing",
  "maha_step": "hfc_tf.detectors.mahalanobis_step:SteppedMahalanobis",
  "hfc_score": "hfc_tf.detectors.hfc_score:HFCScore",
})  # fmt: skip


def load(path: str | os.PathLike[str]) -> Detector:
  """Reads a saved detector of any kind.

  Raises:
    InputError: no such file, a damaged one, or one of an unknown kind.
  """
  from hfc_tf.detectors.saved_model import SavedModelDetector as Saved
  from hfc_tf.detectors.storage import read_arrays

  key = json.loads(str(read_arrays(path)["config"]))["detector"]
  kinds: dict[str, type[Detector]] = {**DETECTORS, Saved.key: Saved}
  if key not in kinds:
    raise InputError(f"a saved detector among {', '.join(kinds)}", key, "update hfc_tf")
  return kinds[key].load(path)
