"""What every attack loop shares: the same images, the same targets, the same steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.timing import seconds_per_step

Array = np.ndarray[Any, Any]


class Loop:
  """A targeted L-infinity loop of sign steps without random start (BIM).

  Args:
    job: "inputs" is an npz file of images [B, H, W, C] in [0, 1] and targets int [B]; "eps" and
      "step_size" are in image units; "plain" says that `check` is compared with others'.
  """

  def __init__(self, job: dict[str, Any]) -> None:
    with np.load(job["inputs"], allow_pickle=False) as inputs:
      self.images, self.targets = inputs["images"], inputs["targets"]
    self.eps, self.step_size = float(job["eps"]), float(job["step_size"])
    self._plain = bool(job.get("plain"))

  def logits(self) -> Array:
    """Of the clean images, [B, K]."""
    raise NotImplementedError

  def attack(self, steps: int) -> Array:
    """The images after so many steps, [B, H, W, C]."""
    raise NotImplementedError

  def check(self) -> dict[str, Array]:
    """One step, which compiles what there is to compile.

    Of a plain loop also what shows that network and step are those of all others; elsewhere that
    would only add to the peak of memory.
    """
    adversarials = self.attack(1)
    return {"logits": self.logits(), "adversarials": adversarials} if self._plain else {}

  def run(self, steps: int) -> dict[str, float]:
    """Seconds a step."""
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
