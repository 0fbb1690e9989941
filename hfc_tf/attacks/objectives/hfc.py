"""The hierarchical feature constraint, aimed at the mode of normal features or around it."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.attacks.draws import uniform
from hfc_tf.attacks.objectives.base import Batch, Objective, Tensor
from hfc_tf.attacks.objectives.classification import Margin
from hfc_tf.densities.energy import LayerEnergy, comparable, energy
from hfc_tf.densities.hierarchical import HierarchicalDensity
from hfc_tf.errors import InputError
from hfc_tf.taps import Taps

_POOL = 256  # images a class of which one is drawn


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
    self._reads = {name: mixtures[0].width for name, mixtures in density.mixtures_.items()}
    self._classes = density.num_classes

  def energies(self, taps: Taps, classes: Any) -> dict[str, Any]:
    """(f^l - mu_m')^T S_m'^-1 (f^l - mu_m') of taps as images of `classes` [N], [N] by layer."""
    energies = {name: np.zeros(len(taps)) for name in self._layers}
    for label in np.unique(classes):
      rows = np.asarray(classes) == label
      for name, layer in self._layers.items():
        features = tf.constant(taps.features[name][rows])
        energies[name][rows] = energy(layer.of_class(label), features).numpy()
    return energies

  def prepare(self, batch: Batch) -> Any:
    """The mixtures of the batch's one target class."""
    return {name: layer.of_class(batch.targets[0]) for name, layer in self._layers.items()}

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J_HFC, [B]."""
    return tf.add_n([
      energy(arrays, features[name]) / (2.0 * self._reads[name]) for name, arrays in state.items()
    ])  # fmt: skip

  def value(self, term: Tensor, state: Any, features: dict[str, Tensor]) -> Tensor:
    """-sum_l 1 / C_l max_m ln(pi_m N(f^l | mu_m, S_m)) up to a constant, [B].

    J_HFC leaves out what pi_m' and |S_m'| contribute, and so it jumps where m' changes, upwards
    even where the density rises. This is J_HFC with them: continuous, of the same gradient.
    """
    return tf.add_n([
      comparable(arrays, features[name]) / self._reads[name] for name, arrays in state.items()
    ])  # fmt: skip


class TypicalHFC(HFC):
  """J_HFC that asks for features as far from the mode as those of a clean image are.

      J = sum_l lambda_l / 2 |E^l(f) - E^l(z)|,   E^l(f) = (f^l - mu_m')^T S_m'^-1 (f^l - mu_m')

  In many dimensions no sample lies near the mode: features that do are seen from the other side
  (MAHA far below AUC 0.5). So each sample is given a clean Train image z of the target class that
  the classifier gets right, the same on every layer, drawn by (seed, id).

  Joined to an attack, it takes the place of the classification loss by a margin: nothing pushes
  the logits further once the target leads by `margin`.

  Args:
    density: fitted on clean Train taps of the same model.
    train: labelled taps of clean Train images.
    weight: of J beside the margin.
    margin: the lead, kappa of `Margin`.

  Raises:
    InputError: for a class of which `train` has no image that the model gets right, or a negative
      margin.
  """

  def __init__(
    self, density: HierarchicalDensity, train: Taps, weight: float = 1.0, margin: float = 1.0
  ) -> None:
    super().__init__(density, weight)
    self.goal = Margin(margin)
    right = [
      np.flatnonzero((train.labels == label) & (train.predictions == label))
      for label in range(train.logits.shape[1])
    ]
    self._count = min(_POOL, *map(len, right))
    if not self._count:
      expected = "Train images of every class that the model gets right"
      raise InputError(expected, "a class without", "train longer")
    # Spread evenly over the class's images, whatever their order.
    rows = [each[np.linspace(0, len(each) - 1, self._count).astype(int)] for each in right]
    by_class = [self.energies(train[each], train.labels[each]) for each in rows]
    self.typical = {
      name: np.stack([each[name] for each in by_class]).astype(np.float32)
      for name in self._layers
    }  # [K, count]  # fmt: skip
    self._typical = {name: tf.constant(values) for name, values in self.typical.items()}

  def prepare(self, batch: Batch) -> Any:
    """The mixtures of the batch's one target class, and E^l(z) of the drawn z, by layer, [B]."""
    drawn = uniform(batch.ids, 1, batch.seed, tf.constant(-1))[:, 0]  # [B]
    drawn = tf.minimum(tf.cast(drawn * self._count, tf.int32), self._count - 1)
    wanted = {
      name: tf.gather(values[batch.targets[0]], drawn) for name, values in self._typical.items()
    }
    return super().prepare(batch), wanted

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J, [B]."""
    mixtures, wanted = state
    return tf.add_n([
      tf.abs(energy(arrays, features[name]) - wanted[name]) / (2.0 * self._reads[name])
      for name, arrays in mixtures.items()
    ])  # fmt: skip

  def value(self, term: Tensor, state: Any, features: dict[str, Tensor]) -> Tensor:
    """J, [B]."""
    return term
