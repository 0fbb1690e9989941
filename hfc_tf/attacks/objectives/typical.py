"""The hierarchical feature constraint, aimed at where normal features lie and not at their mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.attacks.draws import uniform
from hfc_tf.attacks.objectives.base import Batch
from hfc_tf.attacks.objectives.hfc import HFC
from hfc_tf.attacks.objectives.margin import Margin
from hfc_tf.densities.energy import LayerEnergy, likeliest
from hfc_tf.densities.hierarchical import HierarchicalDensity
from hfc_tf.errors import InputError
from hfc_tf.taps import Taps

Tensor = Any
_POOL = 256  # images a class whose residuals are drawn


class TypicalHFC(HFC):
  """J_HFC around typical features of the target class.

      J = sum_l lambda_l / 2 (f^l - s r^l - mu_m')^T S_m'^-1 (f^l - s r^l - mu_m')

  In many dimensions no sample lies near the mode: features that do are seen from the other side
  (MAHA far below AUC 0.5). So each sample is given residuals r^l = z^l - mu_m'(z^l) of a clean
  Train image of the target class that the classifier gets right, the same image on every layer,
  drawn by (seed, id). An attack follows s r only in part, and what it cannot undo comes on top; s
  is chosen so that both together are as large as residuals of clean images.

  Joined to an attack, it takes the place of the classification loss by a margin: nothing pushes
  the logits further once the target leads by `margin`.

  Args:
    density: fitted on clean Train taps of the same model.
    train: labelled taps of clean Train images.
    weight: of J beside the margin.
    scale: s.
    margin: the lead, kappa of `Margin`.

  Raises:
    InputError: for a class of which `train` has no image that the model gets right, or a negative
      margin.
  """

  def __init__(
    self,
    density: HierarchicalDensity,
    train: Taps,
    weight: float = 1.0,
    scale: float = 1.0,
    margin: float = 1.0,
  ) -> None:
    super().__init__(density, weight)
    self.scale = scale
    self.goal = Margin(margin)
    right = [
      np.flatnonzero((train.labels == label) & (train.predictions == label))
      for label in range(train.logits.shape[1])
    ]
    count = min(_POOL, *map(len, right))
    if not count:
      raise InputError(
        "Train images of every class that the model gets right", "a class without", "train longer"
      )
    # Spread evenly over the class's images, whatever their order.
    rows = [own[np.linspace(0, len(own) - 1, count).astype(int)] for own in right]
    self.residuals = {
      name: np.stack([
        _residuals(layer, mixture.locations, label, train.features[name][rows[label]])
        for label, mixture in enumerate(density.mixtures_[name])
      ])
      for name, layer in self._layers.items()
    }  # [K, count, C]  # fmt: skip
    self._residuals = {name: tf.constant(values) for name, values in self.residuals.items()}
    self._count = count

  def prepare(self, batch: Batch) -> Any:
    """The mixtures of the batch's one target class, and the drawn s r by layer, [B, C_l]."""
    drawn = uniform(batch.ids, 1, batch.seed, tf.constant(-1))[:, 0]  # [B]
    drawn = tf.minimum(tf.cast(drawn * self._count, tf.int32), self._count - 1)
    target = batch.targets[0]
    return {
      name: (arrays, self.scale * tf.gather(self._residuals[name][target], drawn))
      for name, arrays in super().prepare(batch).items()
    }

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J, [B]."""
    arrays, moved = _moved(state, features)
    return super().term(arrays, batch, logits, moved)

  def value(self, term: Tensor, state: Any, features: dict[str, Tensor]) -> Tensor:
    """The same of every point, see `HFC.value`."""
    arrays, moved = _moved(state, features)
    return super().value(term, arrays, moved)


def _moved(state: Any, features: dict[str, Tensor]) -> tuple[Any, dict[str, Tensor]]:
  """The mixtures, and f - s r, by layer."""
  arrays = {name: one for name, (one, _) in state.items()}
  return arrays, {name: features[name] - drawn for name, (_, drawn) in state.items()}


def _residuals(layer: LayerEnergy, locations: Any, label: int, features: Any) -> Any:
  """f - mu_m', float32 [N, C]."""
  chosen = likeliest(layer.of_class(label), tf.constant(features)).numpy()
  return (features - locations[chosen]).astype(np.float32)
