"""Mahalanobis distances after a small step of the image towards the closest class (Lee et al.)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import tensorflow as tf

from hfc_tf.detectors.base import REGULARISATIONS
from hfc_tf.detectors.images import ImageDetector
from hfc_tf.detectors.learning import AdvTrain, Array, Tensor, learn_logistic
from hfc_tf.detectors.mahalanobis import Mahalanobis
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel, Taps


class SteppedMahalanobis(ImageDetector, Mahalanobis):
  """MAHA with Lee et al.'s input step: clean images come closer to their class than adversarials.

      x_l = x - magnitude * sign(grad_x MAHA(f_l(x))),   layer score = MAHA(f_l(x_l))

  (Lee et al., NeurIPS 2018, Algorithm 1.) Every layer takes a step of its own, which *decreases*
  its distance, and another pass through the network up to it; a detector of L layers costs about
  L times what `Mahalanobis` does. The magnitude is chosen by cross-validation inside AdvTrain.

  Args:
    magnitudes: lengths of the step to choose from, in image units; 0 is no step. A single one is
      taken as given.
    mean: "class" or "single", as for `Mahalanobis`.
    layers: names of the layers to read; None for five, evenly spaced and with the last, as they
      read the ends of a network's blocks.
    regularisations: see `Detector`.
    seed: see `Detector`.
  """

  key = "maha_step"

  def __init__(
    self,
    magnitudes: Sequence[float] = (0.0, 0.0005, 0.0014, 0.005),
    mean: Literal["class", "single"] = "class",
    layers: Sequence[str] | None = None,
    regularisations: Sequence[float] = REGULARISATIONS,
    seed: int = 0,
  ) -> None:
    super().__init__(mean, layers, regularisations, seed)
    self.magnitudes = magnitudes

  def _choose_layers(self, train: Taps) -> list[str]:
    names = super()._choose_layers(train)
    if self.layers is not None or len(names) <= 5:
      return names
    return [names[i] for i in np.linspace(0, len(names) - 1, 6).round().astype(int)[1:]]

  def _learn(self, train: Taps, data: AdvTrain) -> Array:
    if not self.magnitudes or min(self.magnitudes) < 0:
      raise InputError("magnitudes >= 0", str(list(self.magnitudes)), "pass e.g. (0, 0.001)")
    self._learn_normal(train)
    distances = self._over_images(self._magnitudes_tensor, data)  # [N, E, L]
    scores = {magnitude: distances[:, e] for e, magnitude in enumerate(self.magnitudes)}
    self.magnitude_, self.head_, held_out = learn_logistic(
      data, scores, self.regularisations, self.seed
    )
    return held_out

  def _magnitudes_tensor(self, model: TappedModel, images: Tensor) -> Tensor:
    return self._stepped(model, images, self.magnitudes)

  def _stepped(self, model: TappedModel, images: Tensor, magnitudes: Sequence[float]) -> Tensor:
    """Distances `[B, E, L]` of each layer after a step of each magnitude, down its distance."""
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
      tape.watch(images)
      _, features = model(images)
      plain = {name: self._distance(name, features[name]) for name in self.layers_}  # [B]
    layers = []
    for name in self.layers_:
      uphill = tf.stop_gradient(tf.sign(tape.gradient(plain[name], images)))
      after = {m: model(images - m * uphill)[1][name] for m in magnitudes if m}
      layers.append([self._distance(name, after[m]) if m else plain[name] for m in magnitudes])
    return tf.transpose(layers, [2, 1, 0])

  def layer_image_tensor(self, model: TappedModel, images: Tensor) -> Tensor:
    """Squared distances `[B, L]` to the closest class after each layer's step."""
    return self._stepped(model, images, [self.magnitude_])[:, 0]
