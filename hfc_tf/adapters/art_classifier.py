"""Classifiers of the Adversarial Robustness Toolbox: tapped, with all they do to images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hfc_tf.adapters.agreement import check_agreement
from hfc_tf.data.files import package
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel

package("art", "adapters")
from art.estimators.classification import KerasClassifier, TensorFlowV2Classifier  # noqa: E402

Array = np.ndarray[Any, Any]


def from_art(classifier: Any) -> TappedModel:
  """The tapped model of an ART classifier, with its preprocessing, clip values and channel order.

  Args:
    classifier: `TensorFlowV2Classifier` of a Keras model, or `KerasClassifier`. Its clip values
      become the model's bounds; a tapped model's images have their channels last, whatever the
      classifier's `channels_first` says.

  Raises:
    InputError: for another classifier, none or several clip values, preprocessing without a
      TensorFlow form, a model that cannot be tapped, and where predictions are not the same on
      random images (a postprocessing defence, for example).
  """
  if not isinstance(classifier, TensorFlowV2Classifier | KerasClassifier):
    expected = "ART's TensorFlowV2Classifier or KerasClassifier"
    raise InputError(expected, type(classifier).__name__, "wrap the Keras model in one of them")
  network = classifier.model
  if not isinstance(network, keras.Model):
    remedy = "give the classifier a Keras model"
    raise InputError("a classifier of a keras.Model", type(network).__name__, remedy)
  if classifier.channels_first:
    sides = network.input_shape[1:]
    images = keras.Input((*sides[1:], sides[0]))
    network = keras.Model(images, network(keras.layers.Permute(_first(len(sides)))(images)))
  model = TappedModel(network, _preprocessing(classifier), _bounds(classifier))
  check(classifier, model)
  return model


def _first(rank: int) -> tuple[int, ...]:
  """The axes of an image, from 1, that put its channels first."""
  return (rank, *range(1, rank))


def there(classifier: Any, images: Any) -> Any:
  """Images [N, ..., C] in the classifier's order."""
  return np.moveaxis(np.asarray(images), -1, 1) if classifier.channels_first else images


def back(classifier: Any, images: Any) -> Any:
  """Images of the classifier with their channels last."""
  return np.moveaxis(np.asarray(images), 1, -1) if classifier.channels_first else images


def _bounds(classifier: Any) -> tuple[float, float]:
  remedy = "pass e.g. clip_values=(0, 1) to the classifier"
  if classifier.clip_values is None:
    raise InputError("clip_values of the classifier", "none", remedy)
  low, high = (np.unique(np.asarray(value, np.float64)) for value in classifier.clip_values)
  if low.size > 1 or high.size > 1:
    raise InputError("one pair of clip_values", "others for each feature", remedy)
  return float(low[0]), float(high[0])


def _preprocessing(classifier: Any) -> Callable[[Any], Any] | None:
  """All that the classifier does to images before the model, on images with channels last."""
  from art.defences.preprocessor.preprocessor import PreprocessorTensorFlowV2
  from art.preprocessing.standardisation_mean_std.numpy import StandardisationMeanStd
  from art.preprocessing.standardisation_mean_std.tensorflow import (
    StandardisationMeanStdTensorFlow,
  )

  steps: list[Any] = []
  for step in classifier.preprocessing_operations:
    if not step.apply_predict:
      continue
    if isinstance(step, StandardisationMeanStd):
      if np.all(step.mean == 0) and np.all(step.std == 1):
        continue
      step = StandardisationMeanStdTensorFlow(mean=step.mean, std=step.std)
    if not isinstance(step, PreprocessorTensorFlowV2):
      expected = "preprocessing with a TensorFlow form, through which a gradient passes"
      remedy = "take ART's TensorFlowV2 form of it, or leave it out"
      raise InputError(expected, type(step).__name__, remedy)
    steps.append(step)
  if not steps:
    return None
  first = classifier.channels_first

  def prepare(images: Any) -> Any:
    rank = images.shape.rank
    images = tf.transpose(images, (0, *_first(rank - 1))) if first else images
    for step in steps:
      images = step.forward(images)[0]
    return tf.transpose(images, (0, *range(2, rank), 1)) if first else images

  return prepare


def check(classifier: Any, model: TappedModel) -> None:
  """Raises unless both predict the same on random images."""
  name = type(classifier).__name__
  check_agreement(model, lambda images: classifier.predict(there(classifier, images)), name)


def classes(labels: Any, count: int) -> Array:
  """ART's labels, one-hot [N, K] or numbers [N], [N, 1], as numbers [N]."""
  array = np.asarray(labels)
  if array.ndim == 2 and array.shape[1] > 1:
    if not (np.isin(array, (0, 1)).all() and (array.sum(1) == 1).all()):
      raise InputError("labels [N], or one-hot rows [N, K]", "rows that are not one-hot", "mend y")
    array = array.argmax(1)
  if array.size != count or (array != np.rint(array)).any():
    actual = f"{array.dtype} of shape {np.shape(labels)}"
    raise InputError(f"y of {count} labels, or one-hot rows", actual, "pass one for each image")
  return array.reshape(-1).astype(np.int64)
