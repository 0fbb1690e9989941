"""The density that hides an attack, used to find one: S_HFC as a detector."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.densities import HierarchicalDensity
from hfc_tf.densities.energy import LayerEnergy, log_prob_tensor
from hfc_tf.detectors.base import Detector, Features
from hfc_tf.detectors.gaussians import spread
from hfc_tf.detectors.learning import AdvTrain, Array, Tensor
from hfc_tf.errors import InputError
from hfc_tf.taps import Taps


@dataclasses.dataclass(eq=False, repr=False)
class HFCScore(Detector):
  """S_HFC: minus the log-likelihood of the features under the predicted class's mixtures.

      S_HFC(x) = -sum_l 1/C_l ln sum_m pi_m N(f_l(x) | mu_m, S_m)

  After Eq. 19 of TMI, which takes the quadratic form of the likeliest component of the last layer
  alone; weight and volume of the components are kept here, and the layers are summed with the
  weights 1/C_l of Eq. 16. The density is that of features in units of their spread on Train. Only
  the threshold is learnt on AdvTrain, and on clean images alone.

  Args:
    components: M of the density that is fitted on Train.
    layers: see `Detector`.
    density: one that was fitted on Train before; None fits one.
    seed: of the density.
  """

  key = "hfc_score"
  components: int = 16
  layers: Sequence[str] | None = None
  density: HierarchicalDensity | None = None
  seed: int = 0

  def _learn(self, train: Taps, data: AdvTrain) -> Array:
    density = self.density
    if density is None:
      features = {name: train.features[name] for name in self.layers_}
      density = HierarchicalDensity(self.components, seed=self.seed)
      density.fit(dataclasses.replace(train, features=features))
    widths = {name: density.mixtures_[name][0].width for name in density.layers}
    wanted = {name: int(self.widths_[name]) for name in self.layers_}
    if density.num_classes != self.num_classes_ or not wanted.items() <= widths.items():
      raise InputError(
        f"a density of {', '.join(wanted)}, widths {list(wanted.values())}, and "
        f"{self.num_classes_} classes",
        f"one of {', '.join(widths)}, widths {list(widths.values())}, and "
        f"{density.num_classes} classes",
        "fit it on taps of this classifier",
      )
    self.volumes_ = np.zeros(len(self.layers_), np.float32)  # ln of the spreads' product, over C_l
    self.mixture_ = {}
    for i, name in enumerate(self.layers_):
      scale = spread(train.features[name])
      self.volumes_[i] = np.log(scale[np.isfinite(scale)]).sum() / len(scale)
      energy = LayerEnergy(density.mixtures_[name])
      for c in range(density.num_classes):
        for key, value in energy.of_class(c).items():
          self.mixture_[f"{name}/{c}/{key}"] = value.numpy()
    return self._run(self.score_tensor, data.taps)

  def _plain(self) -> dict[str, Any]:
    plain = super()._plain()  # of a density that was given, the learnt arrays are saved
    return {name: value for name, value in plain.items() if name != "density"}

  def layer_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """-1/C_l ln p(f_l | predicted class) `[B, L]`."""
    columns = []
    for i, name in enumerate(self.layers_):
      densities = [
        log_prob_tensor(self._mixture(f"{name}/{c}/"), features[name])
        for c in range(self.num_classes_)
      ]
      chosen = tf.gather(tf.stack(densities, axis=1), tf.argmax(logits, axis=1), batch_dims=1)
      columns.append(-chosen / features[name].shape[1] - self._tensors["volumes_"][i])
    return tf.stack(columns, axis=1)

  def _mixture(self, prefix: str) -> dict[str, Tensor]:
    arrays = self._tensors["mixture_"].items()
    return {key.removeprefix(prefix): value for key, value in arrays if key.startswith(prefix)}
