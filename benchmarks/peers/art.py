"""The Adversarial Robustness Toolbox's PGD for TensorFlow."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from art.attacks.evasion import ProjectedGradientDescent
from art.estimators.classification import TensorFlowV2Classifier

from benchmarks.peers.base import Array, KerasLoop


class Art(KerasLoop):
  """As its users call it."""

  def __init__(self, job: dict[str, Any]) -> None:
    super().__init__(job)
    self._classes = int(self.model.output_shape[-1])
    self._classifier = TensorFlowV2Classifier(
      self.model,
      nb_classes=self._classes,
      input_shape=self.images.shape[1:],
      loss_object=keras.losses.CategoricalCrossentropy(from_logits=True),
      clip_values=(0.0, 1.0),
    )

  def attack(self, steps: int) -> Array:
    """The images after so many steps, [B, H, W, C]."""
    attack = ProjectedGradientDescent(
      self._classifier,
      norm=np.inf,
      eps=self.eps,
      eps_step=self.step_size,
      max_iter=steps,
      targeted=True,
      batch_size=len(self.images),
      verbose=False,
    )
    one_hot = np.eye(self._classes, dtype=np.float32)[self.targets]
    return np.asarray(attack.generate(self.images, one_hot))


def start(job: dict[str, Any]) -> Art:
  """The loop of a job."""
  return Art(job)
