"""The Adversarial Robustness Toolbox: an attack and a detector by its interfaces."""

from __future__ import annotations

from typing import Any

import numpy as np

from hfc_tf.adapters.art_classifier import Array, back, check, classes, from_art, there
from hfc_tf.attacks.base import Attack
from hfc_tf.detectors.base import Detector
from hfc_tf.errors import InputError

# isort: split
from art.attacks.attack import EvasionAttack
from art.defences.detector.evasion import EvasionDetector
from art.estimators.classification.classifier import ClassifierMixin
from art.estimators.estimator import BaseEstimator


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
    check(classifier, attack.model)
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
    images = back(self.estimator, x)
    if y is None and self.targeted:
      raise InputError("y, the classes to reach, of a targeted attack", "none", "pass y")
    aims = self.attack.model.taps(images).predictions if y is None else classes(y, len(x))
    return np.asarray(there(self.estimator, self.attack(images, aims)))


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
    kinds = classes(y, len(x))
    if not np.isin(kinds, (0, 1)).all():
      raise InputError("y of 0 (clean) and 1 (adversarial)", f"{np.unique(kinds)}", "mend y")
    images, sources = back(self.classifier, np.asarray(x)), np.asarray(groups)
    chosen = {"clean": images[kinds == 0], "adversarial": images[kinds == 1]}
    taps = {
      name: self.model.taps(
        some, groups=None if groups is None else sources[kinds == kind], batch_size=batch_size
      )
      for kind, (name, some) in enumerate(chosen.items())
    }
    train = self.model.taps(
      back(self.classifier, self.train[0]),
      classes(self.train[1], len(self.train[0])),
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
    images = back(self.classifier, x)
    if self.detector.reads == "images":
      scores = self.detector.score_images(self.model, images)
    else:
      scores = self.detector.score(self.model.taps(images, batch_size=batch_size))
    threshold = self.detector.threshold_
    return {"scores": scores, "threshold": threshold}, scores > threshold
