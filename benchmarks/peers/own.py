"""This library's loop, without HFC or with it, in float32 or bfloat16."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.peers.base import Array, Loop
from hfc_tf.attacks import BIM, Attack, HFCAttack
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.taps import TappedModel


class Own(Loop):
  """BIM, or BIM with HFC where the job names a density."""

  def __init__(self, job: dict[str, Any]) -> None:
    super().__init__(job)
    tf.config.experimental.enable_op_determinism()  # as the binaries run
    precision = {"precision": job["precision"]} if "precision" in job else {}
    self._model = TappedModel(keras.models.load_model(job["network"]), **precision)
    settings: dict[str, Any] = {
      "eps": self.eps,
      "step_size": self.step_size,
      "batch_size": len(self.images),
    }
    if "density" in job:
      density = HierarchicalDensity.load(job["density"])
      self._attack: Attack = HFCAttack(self._model, density, "bim", **settings)
    else:
      self._attack = BIM(self._model, **settings)

  def logits(self) -> Array:
    """Of the clean images, [B, K]."""
    return self._model.taps(self.images, batch_size=len(self.images)).logits

  def attack(self, steps: int) -> Array:
    """The images after so many steps, [B, H, W, C]."""
    self._attack.steps = steps
    return np.asarray(self._attack(self.images, self.targets))


def start(job: dict[str, Any]) -> Own:
  """The loop of a job."""
  return Own(job)
