"""Foolbox: its models in, an attack and a model out."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hfc_tf.adapters.agreement import check_agreement
from hfc_tf.attacks import named
from hfc_tf.attacks.hfc import HFCAttack
from hfc_tf.attacks.loop import GradientAttack
from hfc_tf.data.files import package
from hfc_tf.densities.hierarchical import HierarchicalDensity
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel

package("foolbox", "adapters")
import eagerpy as ep  # noqa: E402
from foolbox.attacks.base import FixedEpsilonAttack, get_criterion  # noqa: E402
from foolbox.criteria import Misclassification, TargetedMisclassification  # noqa: E402
from foolbox.distances import linf  # noqa: E402
from foolbox.models import Model, TensorFlowModel  # noqa: E402
from foolbox.models.base import TransformBoundsWrapper  # noqa: E402
from foolbox.types import Bounds  # noqa: E402


class FoolboxModel(Model):  # type: ignore[misc]
  """A tapped model as a model of Foolbox: any of its attacks runs on it, in its bounds."""

  data_format = "channels_last"

  def __init__(self, model: TappedModel) -> None:
    self.tapped = model

  @property
  def bounds(self) -> Any:
    """(low, high) of its images."""
    return Bounds(*self.tapped.bounds)

  def __call__(self, inputs: Any) -> Any:
    """Logits [N, K] of images [N, ...] in `bounds`, of the kind of the images."""
    images, restore = ep.astensor_(inputs)
    low, high = self.bounds
    return restore(ep.astensor(self.tapped((images.raw - low) / (high - low))[0]))


def from_foolbox(model: Any) -> TappedModel:
  """The tapped model of a Foolbox model, with its preprocessing (flipped channels too) and bounds.

  Args:
    model: `fb.TensorFlowModel` of a Keras model, also after `transform_bounds`, or `FoolboxModel`.

  Raises:
    InputError: for another model, one that cannot be tapped, and where predictions are not the
      same on random images.
  """
  if isinstance(model, FoolboxModel):
    return model.tapped
  layers: list[Any] = []
  inner = model
  while isinstance(inner, TensorFlowModel | TransformBoundsWrapper):
    layers.append(inner)
    inner = inner._model
  if isinstance(inner, FoolboxModel) or not layers or not isinstance(inner, keras.Model):
    expected = "fb.TensorFlowModel of a keras.Model, or FoolboxModel"
    raise InputError(expected, type(inner).__name__, "wrap the Keras model in fb.TensorFlowModel")

  def prepare(images: Any) -> Any:
    for layer in layers:
      images = layer._preprocess(ep.astensor(images)).raw
    return images

  low, high = model.bounds
  tapped = TappedModel(inner, prepare, (float(low), float(high)))
  check_agreement(tapped, lambda images: model(tf.constant(images)), type(model).__name__)
  return tapped


class FoolboxAttack(FixedEpsilonAttack):  # type: ignore[misc]
  """An attack of hfc_tf as an `fb.Attack`, without or with the hierarchical feature constraint.

      raw, clipped, success = FoolboxAttack("pgd")(fmodel, images, criterion, epsilons=[.01, .03])

  Epsilons are in units of the model's bounds. Targeted by `fb.criteria.TargetedMisclassification`;
  with labels or `fb.criteria.Misclassification`, untargeted. Labels are int64, as argmax gives
  them: Foolbox 3.3 cannot compare other integers under NumPy 2.

  Args:
    base: an attack in the L-infinity ball, a name in `hfc_tf.attacks.ATTACKS`.
    density: HierarchicalDensity fitted on taps of `from_foolbox(model)`; it wants a targeted
      criterion. None: the base attack.
    steps: iterations at every epsilon, of 2 epsilon / steps unless `step_size` is among the
      settings.
    settings: of the attack, e.g. weight=1.0 of HFCAttack, restarts, seed, batch_size.

  Raises:
    InputError: for deepfool and cw_l2, which have no epsilon (Foolbox has its own); when called,
      for another criterion or model, or images that do not fit.
  """

  distance = linf

  def __init__(
    self,
    base: str = "pgd",
    density: HierarchicalDensity | None = None,
    *,
    steps: int = 40,
    **settings: Any,
  ) -> None:
    if not issubclass(named(base), GradientAttack):
      remedy = "take Foolbox's own L2DeepFoolAttack or L2CarliniWagnerAttack"
      raise InputError("an attack within an epsilon", repr(base), remedy)
    self.base, self.density, self.steps, self.settings = base, density, steps, settings
    self._made: tuple[Any, Any, TappedModel] | None = None
    self._attacks: dict[Any, Any] = {}

  def __repr__(self) -> str:
    hidden = "" if self.density is None else "density, "
    settings = "".join(f", {name}={value!r}" for name, value in self.settings.items())
    return f"FoolboxAttack({self.base!r}, {hidden}steps={self.steps}{settings})"

  def repeat(self, times: int) -> FoolboxAttack:
    """The attack with so many times its restarts: seeded draws make a second call the same."""
    restarts = times * self.settings.get("restarts", 1)
    settings = {**self.settings, "restarts": restarts}
    return FoolboxAttack(self.base, self.density, steps=self.steps, **settings)

  def tapped(self, model: Any) -> TappedModel:
    """`from_foolbox(model)`, made once for a model and its preprocessing."""
    state = [model.bounds, getattr(model, "_preprocess_args", None)]
    if self._made is None or self._made[0] is not model or self._made[1] != state:
      self._made = model, state, from_foolbox(model)
    return self._made[2]

  def run(
    self, model: Any, inputs: Any, criterion: Any, *, epsilon: float, **kwargs: Any
  ) -> Any:
    """Images within epsilon of the inputs [N, ...]; called by Foolbox for each epsilon."""
    if kwargs:
      raise InputError("no further arguments", ", ".join(kwargs), "leave it out")
    images, restore = ep.astensor_(inputs)
    wish = get_criterion(criterion)
    if not isinstance(wish, Misclassification | TargetedMisclassification):
      expected = "Misclassification(labels) or TargetedMisclassification(target_classes)"
      raise InputError(expected, type(wish).__name__, "pass one of them")
    targeted = isinstance(wish, TargetedMisclassification)
    classes = np.asarray((wish.target_classes if targeted else wish.labels).raw)
    attack = self._attack(self.tapped(model), targeted, epsilon)
    return restore(ep.astensor(tf.constant(attack(images.raw.numpy(), classes))))

  def _attack(self, model: TappedModel, targeted: bool, epsilon: float) -> GradientAttack:
    """The attack at this epsilon, compiled once for a model."""
    if self._attacks.get("model") is not model:
      self._attacks = {"model": model}
    if targeted not in self._attacks:
      settings = {"eps": epsilon, "steps": self.steps, "targeted": targeted, **self.settings}
      self._attacks[targeted] = (
        named(self.base)(model, **settings)
        if self.density is None
        else HFCAttack(model, self.density, self.base, **settings)
      )
    attack: GradientAttack = self._attacks[targeted]
    if attack.eps != epsilon:
      attack.eps = epsilon
      if "step_size" in self.settings:
        attack.step_size = self.settings["step_size"]
        attack.steps = self.steps
    return attack
