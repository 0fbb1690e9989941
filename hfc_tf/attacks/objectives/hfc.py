"""The hierarchical feature constraint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.attacks.objectives.base import Batch, Objective
from hfc_tf.densities.energy import LayerEnergy, comparable, energy
from hfc_tf.densities.hierarchical import HierarchicalDensity
from hfc_tf.taps import Taps

Tensor = Any


class HFC(Objective):
  """J_HFC, which pulls every layer's features to where those of the target class lie.

      J_HFC = sum_l lambda_l / 2 (f^l - mu_m')^T S_m'^-1 (f^l - mu_m'),   lambda_l = 1 / C_l

  with m' the most likely component of the target class, for each sample and layer (MICCAI Eq. 6
  and 7, TMI Eq. 15 and 16).

  Args:
    density: fitted on clean Train taps of the same model.
    weight: of J_HFC beside the classification loss; 1 is the papers'.
  """

  name = "hfc"
  toward_target = True

  def __init__(self, density: HierarchicalDensity, weight: float = 1.0) -> None:
    self.weight = weight
    self.density = density
    self._layers = {name: LayerEnergy(mixtures) for name, mixtures in density.mixtures_.items()}
    self._widths = {name: mixtures[0].width for name, mixtures in density.mixtures_.items()}

  @property
  def classes(self) -> int:  # type: ignore[override]
    """Those of the density."""
    return self.density.num_classes

  @property
  def reads(self) -> Mapping[str, int]:
    """The density's layers."""
    return self._widths

  def energies(self, taps: Taps, classes: Any) -> dict[str, Any]:
    """(f^l - mu_m')^T S_m'^-1 (f^l - mu_m') of taps as images of `classes` [N], [N] by layer."""
    found = {name: np.zeros(len(taps)) for name in self._layers}
    for label in np.unique(classes):
      rows = np.asarray(classes) == label
      for name, layer in self._layers.items():
        features = tf.constant(taps.features[name][rows])
        found[name][rows] = energy(layer.of_class(label), features).numpy()
    return found

  def prepare(self, batch: Batch) -> Any:
    """The mixtures of the batch's one target class."""
    return {name: layer.of_class(batch.targets[0]) for name, layer in self._layers.items()}

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J_HFC, [B]."""
    forms = [
      energy(arrays, features[name]) / (2.0 * self._widths[name]) for name, arrays in state.items()
    ]
    return tf.add_n(forms)

  def value(self, term: Tensor, state: Any, features: dict[str, Tensor]) -> Tensor:
    """-sum_l 1 / C_l max_m ln(pi_m N(f^l | mu_m, S_m)) up to a constant, [B].

    J_HFC leaves out what pi_m' and |S_m'| contribute, and so it jumps where m' changes, upwards
    even where the density rises. This is J_HFC with them: continuous, of the same gradient.
    """
    costs = [
      comparable(arrays, features[name]) / self._widths[name] for name, arrays in state.items()
    ]
    return tf.add_n(costs)
