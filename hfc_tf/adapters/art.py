"""The Adversarial Robustness Toolbox: its classifiers in, an attack and a detector out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hfc_tf.adapters.agreement import check_agreement
from hfc_tf.attacks.base import Attack
from hfc_tf.data.files import package
from hfc_tf.detectors.base import Detector
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel

package("art", "adapters")
from art.attacks.attack import EvasionAttack  # noqa: E402
from art.defences.detector.evasion import EvasionDetector  # noqa: E402
from art.estimators.classification import KerasClassifier, TensorFlowV2Classifier  # noqa: E402
from art.estimators.classification.classifier import ClassifierMixin  # noqa: E402
from art.estimators.estimator import BaseEstimator  # noqa: E402

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
  _check(classifier, model)
  return model


def _first(rank: int) -> tuple[int, ...]:
  """The axes of an image, from 1, that put its channels first."""
  return (rank, *range(1, rank))


def _there(classifier: Any, images: Any) -> Any:
  """Images [N, ..., C] in the classifier's order."""
  return np.moveaxis(np.asarray(images), -1, 1) if classifier.channels_first else images


def _back(classifier: Any, images: Any) -> Any:
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


def _check(classifier: Any, model: TappedModel) -> None:
  name = type(classifier).__name__
  check_agreement(model, lambda images: classifier.predict(_there(classifier, images)), name)


def _classes(labels: Any, count: int) -> Array:
  """ART's labels, one-hot [N, K] or numbers [N], [N, 1], as numbers [N]."""
  array = np.asarray(labels)
  if array.ndim == 2 and array.shape[1] > 1:
    if not (np.isin(array, (0, 1)).all() and (array.sum(1) == 1).all()):
      raise InputError("labels [N], or one-hot rows [N, K]", "rows that are not one-hot", "mend y")
    array = array.argmax(1)
  if array.size != count or (array != np.rint(array)).any():
    found = f"{array.dtype} of shape {np.shape(labels)}"
    raise InputError(f"y of {count} labels, or one-hot rows", found, "pass one for each image")
  return array.reshape(-1).astype(np.int64)


def _setting(name: str) -> Any:
  """A setting of the attack under ART's name."""

  def put(self: ArtAttack, value: Any) -> None:
    setattr(self.attack, name, value)

  return property(lambda self: getattr(self.attack, name), put)


class ArtAttack(EvasionAttack):  # type: ignore[misc]
  """An attack of hfc_tf as an `EvasionAttack` of ART.

      model = from_art(classifier)
      hidden = HFCAttack(model, HierarchicalDensity().fit(model.taps(x_train, y_train)), eps=0.01)
      x_adv = ArtAttack(classifier, hidden).generate(x_test, targets)

  Args:
    classifier: see `from_art`.
    attack: made of `from_art(classifier)`; it says whether y are targets. `eps`, `eps_step`,
      `max_iter` and `batch_size` are its settings under ART's names.

  Raises:
    InputError: for an attack on a model with other predictions.
  """

  attack_params = (*EvasionAttack.attack_params, "eps", "eps_step", "max_iter", "batch_size")
  _estimator_requirements = (BaseEstimator, ClassifierMixin)
  eps, eps_step = _setting("eps"), _setting("step_size")
  max_iter, batch_size = _setting("steps"), _setting("batch_size")

  def __init__(self, classifier: Any, attack: Attack) -> None:
    super().__init__(estimator=classifier)
    if not isinstance(attack, Attack):
      remedy = "make one of hfc_tf.adapters.from_art(classifier)"
      raise InputError("an attack of hfc_tf", type(attack).__name__, remedy)
    _check(classifier, attack.model)
    self.attack, self._targeted = attack, attack.targeted

  @property
  def targeted(self) -> bool:
    """Whether y are the classes to reach; the attack's own, and fixed."""
    return self.attack.targeted

  @targeted.setter
  def targeted(self, value: bool) -> None:
    self.attack.targeted = value

  def generate(self, x: Array, y: Any = None, **kwargs: Any) -> Array:
    """Adversarial images of the shape, range and type of x.

    Args:
      x: [N, ...] as the classifier takes them.
      y: one-hot [N, K] or classes [N]: targeted to reach, else to leave. None: untargeted attacks
        leave the predicted classes.

    Raises:
      InputError: for a targeted attack without y, other arguments, images that do not fit.
    """
    if kwargs:
      raise InputError("generate(x, y)", f"{', '.join(kwargs)} too", "leave it out")
    images = _back(self.estimator, x)
    if y is None and self.targeted:
      raise InputError("y, the classes to reach, of a targeted attack", "none", "pass y")
    classes = self.attack.model.taps(images).predictions if y is None else _classes(y, len(x))
    return np.asarray(_there(self.estimator, self.attack(images, classes)))


class ArtDetector(EvasionDetector):  # type: ignore[misc]
  """A detector of hfc_tf as an `EvasionDetector` of ART.

  Args:
    classifier: see `from_art`.
    detector: of `hfc_tf.detectors`; fitted on taps of `from_art(classifier)`, or fitted by `fit`.
    train: clean, labelled Train images (x, y) that are not among those of `fit`; y one-hot or
      classes. Needed by `fit` alone.
  """

  defence_params = ("detector",)

  def __init__(
    self, classifier: Any, detector: Detector, train: tuple[Array, Any] | None = None
  ) -> None:
    super().__init__()
    self.classifier, self.detector, self.train = classifier, detector, train
    self.model = from_art(classifier)

  def fit(
    self,
    x: Array,
    y: Any,
    batch_size: int = 64,
    nb_epochs: int | None = None,
    *,
    groups: Any = None,
    **kwargs: Any,
  ) -> None:
    """Learns what is adversarial.

    Args:
      x: images [N, ...] as the classifier takes them, clean and adversarial.
      y: 0 clean, 1 adversarial; [N] or one-hot [N, 2].
      batch_size: images a step.
      nb_epochs: of ART's interface; detectors have settings of their own, and it must be None.
      groups: [N]; images of one patient, or made of one image, share one. None: the i-th
        adversarial image is made of the i-th clean one.

    Raises:
      InputError: without Train images, for labels that are neither, and see `Detector.fit`.
    """
    if self.train is None:
      remedy = "pass train=(x_train, y_train) to ArtDetector"
      raise InputError("clean, labelled Train images", "none", remedy)
    if kwargs or nb_epochs is not None:
      given = ", ".join([*kwargs, *(["nb_epochs"] if nb_epochs is not None else [])])
      raise InputError("fit(x, y)", f"{given} too", "set it on the detector")
    kinds = _classes(y, len(x))
    if not np.isin(kinds, (0, 1)).all():
      raise InputError("y of 0 (clean) and 1 (adversarial)", f"{np.unique(kinds)}", "mend y")
    images, sources = _back(self.classifier, np.asarray(x)), np.asarray(groups)
    chosen = {"clean": images[kinds == 0], "adversarial": images[kinds == 1]}
    taps = {
      name: self.model.taps(
        some, groups=None if groups is None else sources[kinds == kind], batch_size=batch_size
      )
      for kind, (name, some) in enumerate(chosen.items())
    }
    train = self.model.taps(
      _back(self.classifier, self.train[0]),
      _classes(self.train[1], len(self.train[0])),
      batch_size=batch_size,
    )
    self.detector.fit(train, **taps, model=self.model, images=chosen)

  def detect(self, x: Array, batch_size: int = 64, **kwargs: Any) -> tuple[dict[str, Any], Array]:
    """Which images are adversarial.

    Args:
      x: images [N, ...] as the classifier takes them.
      batch_size: images a step.

    Returns:
      ({"scores": float32 [N], "threshold": the score that 90 % of clean images do not exceed},
      bool [N]: the score is above it).

    Raises:
      InputError: for a detector that is not fitted, or other arguments.
    """
    if kwargs:
      raise InputError("detect(x)", f"{', '.join(kwargs)} too", "leave it out")
    images = _back(self.classifier, x)
    if self.detector.reads == "images":
      scores = self.detector.score_images(self.model, images)
    else:
      scores = self.detector.score(self.model.taps(images, batch_size=batch_size))
    threshold = self.detector.threshold_
    return {"scores": scores, "threshold": threshold}, scores > threshold
