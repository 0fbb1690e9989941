"""For users of the Adversarial Robustness Toolbox: a classifier in, an attack and a detector out.

    classifier = KerasClassifier(model, clip_values=(0, 1))
    attack = art.Evasion(classifier, lambda model: hfc_tf.HFCAttack(model, density, eps=1/256))
    adversarials = attack.generate(x, targets)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from art.attacks import EvasionAttack
from art.defences.detector.evasion.evasion_detector import EvasionDetector
from art.estimators.classification import KerasClassifier, TensorFlowV2Classifier

from hfc_tf.attacks.base import Attack
from hfc_tf.detectors.base import Detector
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel, Taps

Array = np.ndarray[Any, Any]


def tapped(classifier: Any) -> TappedModel:
  """The network of an ART classifier with taps, its clip values and preprocessing taken over.

  Args:
    classifier: a `KerasClassifier` or `TensorFlowV2Classifier` around a Keras model.

  Raises:
    InputError: another estimator, channels first, defences before or after the model, no finite
      clip values, or predictions of another order than those of the tapped model.
  """
  if not isinstance(classifier, KerasClassifier | TensorFlowV2Classifier):
    found = type(classifier).__name__
    raise InputError("a KerasClassifier or TensorFlowV2Classifier", found, "wrap a Keras model")
  defences = (classifier.preprocessing_defences or []) + (classifier.postprocessing_defences or [])
  if classifier.channels_first or defences:
    found = "channels first" if classifier.channels_first else f"{len(defences)} of them"
    raise InputError("channels last and no defences", found, "pass the bare classifier")
  if classifier.clip_values is None or not np.isfinite(classifier.clip_values).all():
    found = str(classifier.clip_values)
    raise InputError("finite clip_values", found, "pass clip_values=(0, 1)")
  low, high = (np.asarray(value, np.float32) for value in classifier.clip_values)
  if low.min() < low.max() or high.min() < high.max():
    raise InputError("clip_values alike in all places", "others", "pass two numbers")
  bounds = float(low.min()), float(high.max())
  standard: Any = classifier.preprocessing
  mean, deviation = (0.0, 1.0) if standard is None else (standard.mean, standard.std)
  trivial = np.all(np.equal(mean, 0)) and np.all(np.equal(deviation, 1))

  def standardised(images: Any) -> Any:
    return (images - np.float32(mean)) / np.float32(deviation)

  model = TappedModel(classifier.model, None if trivial else standardised, bounds)
  _check_order(classifier, model, bounds)
  return model


def _check_order(classifier: Any, model: TappedModel, bounds: tuple[float, float]) -> None:
  """Refuses a tapped model whose logits order random images' classes in another way."""
  shape = [side or 32 for side in model.input_shape]
  images = np.random.default_rng(0).uniform(*bounds, (4, *shape)).astype(np.float32)
  given = np.asarray(classifier.predict(images))
  logits = model.taps(images, np.zeros(4, int)).logits
  given = np.hstack([1 - given, given]) if given.shape[1] == 1 else given
  shares = np.exp(logits - logits.max(axis=1, keepdims=True))
  shares /= shares.sum(axis=1, keepdims=True)
  if not (np.allclose(given, logits, atol=1e-3) or np.allclose(given, shares, atol=1e-3)):
    found = f"{np.round(given[0, :3], 3)} for {np.round(shares[0, :3], 3)}"
    raise InputError("predictions of the classifier's own model", found, "check preprocessing")


class Evasion(EvasionAttack):  # type: ignore[misc]
  """An attack of this library as an `EvasionAttack`.

  Args:
    classifier: as `tapped` takes it.
    make: the tapped model -> an attack on it, e.g. `lambda model: hfc_tf.PGD(model, eps=1/256)`,
      eps in units of the clip values.
  """

  attack_params = EvasionAttack.attack_params
  _estimator_requirements = ()

  def __init__(self, classifier: Any, make: Callable[[TappedModel], Attack]) -> None:
    super().__init__(estimator=classifier)
    self.model = tapped(classifier)
    self.attack = make(self.model)
    self._targeted = self.attack.targeted

  def generate(self, x: Array, y: Array | None = None, **kwargs: Any) -> Array:
    """Adversarial images, of the shape, range and type of `x`.

    Args:
      x: images [N, H, W, C] in the clip values.
      y: classes to reach, int [N] or one-hot [N, K]; of an untargeted attack to leave, and there
        the predictions if None.

    Raises:
      InputError: a targeted attack without classes.
    """
    if y is None and self.targeted:
      raise InputError("classes y to reach", "none", "pass y, or an attack of targeted=False")
    given = np.asarray(self.estimator.predict(x)) if y is None else np.asarray(y)
    return np.asarray(self.attack(x, given.argmax(1) if given.ndim == 2 else given))


class EvasionDetection(EvasionDetector):  # type: ignore[misc]
  """A detector of this library as an `EvasionDetector`.

  Args:
    classifier: as `tapped` takes it.
    detector: of `hfc_tf.detectors`, such as `Mahalanobis()`.
    images, labels: that the classifier was trained on, [N, H, W, C] and int [N] or one-hot.
  """

  def __init__(self, classifier: Any, detector: Detector, images: Array, labels: Array) -> None:
    super().__init__()
    self.model, self.detector = tapped(classifier), detector
    self._train = self.model.taps(images, labels)

  def fit(
    self, x: Array, y: Array, batch_size: int = 128, nb_epochs: int = 20, **kwargs: Any
  ) -> None:
    """Learns from images `x` of which `y`, [N] or one-hot [N, 2], are 0 clean and 1 adversarial.

    Where clean image i is the source of adversarial image i, pass `groups=` int [N].
    """
    attacked = np.asarray(y).reshape(len(x), -1)[:, -1].astype(bool)
    groups = np.asarray(kwargs.get("groups", np.arange(len(x))))
    clean, adversarial = (self._taps(x[rows], groups[rows]) for rows in (~attacked, attacked))
    images = {"clean": x[~attacked], "adversarial": x[attacked]}
    self.detector.fit(self._train, clean=clean, adversarial=adversarial, model=self.model,
                      images=images)  # fmt: skip

  def detect(self, x: Array, batch_size: int = 128, **kwargs: Any) -> tuple[dict[str, Any], Array]:
    """({"scores": [N], "threshold": of 10 % false alarms}, whether each image is adversarial)."""
    scores = self.detector.score_images(self.model, x)
    return {"scores": scores, "threshold": self.detector.threshold_}, (
      scores > self.detector.threshold_
    )

  def _taps(self, images: Array, groups: Array) -> Taps:
    return self.model.taps(images, groups=groups)
