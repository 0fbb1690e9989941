"""The density that hides an attack, used to find one: S_HFC as a detector."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import tensorflow as tf

from hfc_tf.checked import layer_list
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.densities.energy import LayerEnergy, log_prob_tensor
from hfc_tf.detectors.base import Detector, Features
from hfc_tf.detectors.gaussians import spread
from hfc_tf.detectors.learning import AdvTrain
from hfc_tf.detectors.storage import Array, Tensor
from hfc_tf.errors import InputError
from hfc_tf.taps import Taps


class HFCScore(Detector):
  """S_HFC: minus the log-likelihood of the features under the predicted class's mixtures.

      S_HFC(x) = -sum_l 1/C_l ln sum_m pi_m N(f_l(x) | mu_m, S_m)

  After Eq. 19 of TMI, which takes the quadratic form of the likeliest component of the last layer
  alone; weight and volume of the components are kept here, and the layers are summed with the
  weights 1/C_l of Eq. 16. The density is that of features in units of their spread on Train. Only
  the threshold is learnt on AdvTrain, and on clean images alone.

  Args:
    components: M of the density that is fitted on Train.
    layers: names of the layers to read; None for all.
    density: one that was fitted on Train before; None fits one.
    seed: of the density.
  """

  key = "hfc_score"
  per_layer: ClassVar[bool] = True

  def __init__(
    self,
    components: int = 16,
    layers: Sequence[str] | None = None,
    density: HierarchicalDensity | None = None,
    seed: int = 0,
  ) -> None:
    self.components = components
    self.layers = layers
    self.seed = seed
    self.density = density

  @property
  def density(self) -> HierarchicalDensity | None:
    """The density that was given; `save` leaves it out, since its arrays are learnt ones."""
    return self._density

  @density.setter
  def density(self, density: HierarchicalDensity | None) -> None:
    self._density = density

  def _choose_layers(self, train: Taps) -> list[str]:
    return layer_list(self.layers, train)

  def _learn(self, train: Taps, data: AdvTrain) -> Array:
    density = self.density
    if density is None:
      own = {name: train.features[name] for name in self.layers_}
      density = HierarchicalDensity(self.components, seed=self.seed).fit(
        dataclasses.replace(train, features=own)
      )
    elif not set(self.layers_) <= set(density.layers):
      raise InputError(
        f"a density of the layers {', '.join(self.layers_)}",
        f"one of {', '.join(density.layers)}",
        "fit it on taps of this classifier",
      )
    widths = {name: density.mixtures_[name][0].width for name in self.layers_}
    if density.num_classes != self.num_classes_ or any(
      width != self.widths_[name] for name, width in widths.items()
    ):
      raise InputError(
        f"a density of {self.num_classes_} classes and these taps' widths",
        f"one of {density.num_classes} classes and widths {list(widths.values())}",
        "fit it on taps of this classifier",
      )
    self.volumes_ = np.zeros(len(self.layers_), np.float32)  # ln of the spreads' product, over C_l
    for i, name in enumerate(self.layers_):
      scale = spread(train.features[name])
      self.volumes_[i] = np.log(scale[np.isfinite(scale)]).sum() / len(scale)
    self.mixture_: dict[str, Array] = {}
    for name in self.layers_:
      energy = LayerEnergy(density.mixtures_[name])
      for c in range(density.num_classes):
        arrays = energy.of_class(c)
        self.mixture_ |= {f"{name}/{c}/{key}": value.numpy() for key, value in arrays.items()}
    self._freeze()
    return self._run(self.score_tensor, data.taps)

  def layer_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """-1/C_l ln p(f_l | predicted class) `[B, L]`."""
    predicted = tf.argmax(logits, axis=1, output_type=tf.int32)  # [B]
    columns = []
    for i, name in enumerate(self.layers_):
      densities = [
        log_prob_tensor(self._group(f"mixture_/{name}/{c}"), features[name])
        for c in range(logits.shape[1])
      ]
      own = tf.gather(tf.stack(densities, axis=1), predicted, batch_dims=1)  # [B]
      columns.append(-own / features[name].shape[1] - self._tensors["volumes_"][i])
    return tf.stack(columns, axis=1)

  def score_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """The sum over the layers `[B]`."""
    return tf.reduce_sum(self.layer_tensor(features, logits), axis=1)
