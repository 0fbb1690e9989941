"""Detectors of adversarial images, by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hfc_tf.lazy import Registry, exports
from hfc_tf.variants import Kind, Real

if TYPE_CHECKING:
  from hfc_tf.detectors.base import Detector as Detector
  from hfc_tf.detectors.bayesian import BayesianUncertainty as BayesianUncertainty
  from hfc_tf.detectors.dnn import DeepNeuralNetwork as DeepNeuralNetwork
  from hfc_tf.detectors.export import export_detector as export_detector
  from hfc_tf.detectors.hfc_score import HFCScore as HFCScore
  from hfc_tf.detectors.images import ImageDetector as ImageDetector
  from hfc_tf.detectors.kernel_density import KernelDensity as KernelDensity
  from hfc_tf.detectors.lid import LocalIntrinsicDimensionality as LocalIntrinsicDimensionality
  from hfc_tf.detectors.mahalanobis import Mahalanobis as Mahalanobis
  from hfc_tf.detectors.mahalanobis_step import SteppedMahalanobis as SteppedMahalanobis
  from hfc_tf.detectors.multivariate_gaussian import MultivariateGaussian as MultivariateGaussian
  from hfc_tf.detectors.nearest_neighbors import NearestNeighbors as NearestNeighbors
  from hfc_tf.detectors.saved_model import SavedModelDetector as SavedModelDetector
  from hfc_tf.detectors.squeezing import FeatureSqueezing as FeatureSqueezing
  from hfc_tf.detectors.svm import SupportVectorMachine as SupportVectorMachine

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
_MANY = range(1, 10**6 + 1)
_MEAN: Mapping[str, Kind] = {"mean": ("class", "single")}
# Of the constructors, those that --detectors=NAME(option=value,...) reaches.
OPTIONS: Mapping[str, Mapping[str, Kind]] = {
  "kd": {"form": ("chosen", "eq20")},
  "bu": {"passes": range(2, 10**4 + 1), "rate": Real(0, 0.99)},
  "lid": {"k": range(2, 10**6 + 1), "reference_size": range(2, 10**6 + 1)},
  "maha": _MEAN,
  "svm": {"costs": Real(0), "gammas": Real(0)},
  "dnn": {
    "units": range(1, 10**4 + 1), "epochs": _MANY, "patience": _MANY, "learning_rate": Real(0, 1),
    "weight_decay": Real(0, 1, True), "batch_size": _MANY, "folds": range(2, 11),
  },
  "mgm": {},
  "knn": {"k": _MANY, "reference_size": _MANY, "calibration": Real(0, 0.9)},
  "squeezing": {},
  "maha_step": _MEAN,
  "hfc_score": {"components": range(1, 65537)},
}  # fmt: skip
_PLACES = {
  place.split(":")[1]: place.split(":")[0].split(".")[-1] for place in DETECTORS.data.values()
}
_PLACES |= {"Detector": "base", "ImageDetector": "images", "SavedModelDetector": "saved_model"}
_PLACES |= {"export_detector": "export"}
__all__ = ["DETECTORS", "load", *sorted(_PLACES)]

if not TYPE_CHECKING:
  __getattr__, __dir__ = exports(__name__, _PLACES)


def load(path: str | os.PathLike[str]) -> Detector:
  """Reads a saved detector of any kind.

  Raises:
    InputError: no such file, a damaged one, or one of an unknown kind.
  """
  from hfc_tf.detectors.storage import read

  saved_model = {"saved_model": "hfc_tf.detectors.saved_model:SavedModelDetector"}
  return read(path, Registry({**DETECTORS.data, **saved_model}))
