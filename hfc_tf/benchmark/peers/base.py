"""What every attack loop shares: the same images, the same targets, the same steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from hfc_tf.benchmark.timing import seconds_per_step

Array = np.ndarray[Any, Any]


class Loop:
  """A targeted L-infinity loop of sign steps without random start (BIM).

  Args:
    job: "inputs" is an npz file of images [B, H, W, C] in [0, 1] and targets int [B]; "eps" and
      "step_size" are in image units.
  """

  def __init__(self, job: dict[str, Any]) -> None:
    with np.load(job["inputs"], allow_pickle=False) as inputs:
      self.images, self.targets = inputs["images"], inputs["targets"]
    self.eps, self.step_size = float(job["eps"]), float(job["step_size"])
    self._warm = False

  def logits(self) -> Array:
    """Of the clean images, [B, K]."""
    raise NotImplementedError

  def attack(self, steps: int) -> Array:
    """The images after so many steps, [B, H, W, C]."""
    raise NotImplementedError

  def check(self) -> dict[str, Array]:
    """What shows that this is the same network and the same step as anybody else's."""
    return {"logits": self.logits(), "adversarials": self.attack(1)}

  def run(self, steps: int) -> dict[str, float]:
    """Seconds a step, after one call that compiles what there is to compile."""
    if not self._warm:
      self.attack(2)
      self._warm = True
    return {"seconds": seconds_per_step(self.attack, steps)}


class KerasLoop(Loop):
  """A loop around a plain Keras model, as users of TensorFlow's attack libraries have it."""

  def __init__(self, job: dict[str, Any]) -> None:
    super().__init__(job)
    import keras

    self.model = keras.models.load_model(job["network"])

  def logits(self) -> Array:
    """Of the clean images, [B, K]."""
    return np.asarray(self.model(self.images, training=False))
