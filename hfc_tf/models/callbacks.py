"""What joins Keras's fit: best weights and resuming, progress."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from absl import logging

from hfc_tf import progress
from hfc_tf.errors import InputError
from hfc_tf.storage.arrays import load_arrays, save_arrays

_SECONDS = 10.0
_KEYS = {"val_loss": "validation_loss", "val_accuracy": "validation_accuracy"}


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
  """Keeps history and best weights; writes the whole state, after each epoch, as one file.

  Keras's BackupAndRestore writes weights and epoch as two files, between which a kill may come, and
  knows neither dropout's seeds nor history nor best weights; with this a resumed training ends with
  the same bytes. The optimizer must be built for the model's trainable variables.
  """

  def __init__(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    super().__init__()
    self._weights, self._variables = model.weights, [*model.variables, *optimizer.variables]
    self._best: list[np.ndarray] = []
    self._path: Path | None = None
    self._key = ""
    self.history: list[dict[str, float]] = []  # of each epoch

  def resume(self, path: Path, key: str) -> None:
    """Goes on from `path` where it holds this very training, else warns and starts again."""
    self._path, self._key = path, key
    try:
      arrays = load_arrays(path, checksum=True)
      if str(arrays.get("key")) != key:
        raise ValueError("it belongs to another training")
    except FileNotFoundError:
      return
    except ValueError as error:
      logging.warning("Checkpoint %s cannot be used (%s); training starts again.", path, error)
      return
    for i, variable in enumerate(self._variables):
      variable.assign(arrays[f"state/{i}"])
    self._best = [arrays[f"best/{i}"] for i in range(len(self._weights))]
    self.history = json.loads(str(arrays["history"]))

  def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
    """Adds an epoch to the history and to the file; refuses loss or weights that are not finite."""
    row = {_KEYS.get(name, name): float(value) for name, value in logs.items()}
    weights = [np.array(weight) for weight in self._weights]
    # ReLU turns NaN into 0: the weights can be lost while the loss looks sound.
    total = sum(float(np.sum(weight, dtype=np.float64)) for weight in weights)
    _check_finite(row["validation_loss"] + total, f"the end of epoch {epoch + 1}")
    if all(row["validation_loss"] < earlier["validation_loss"] for earlier in self.history):
      self._best = weights
    self.history.append({"epoch": epoch + 1, **row})
    if self._path is not None:
      arrays = {f"best/{i}": weight for i, weight in enumerate(self._best)}
      arrays |= {f"state/{i}": np.array(value) for i, value in enumerate(self._variables)}
      arrays |= {"key": np.array(self._key), "history": np.array(json.dumps(self.history))}
      save_arrays(self._path, arrays, checksum=True)

  def restore_best(self) -> None:
    """Gives the model the weights of the epoch of smallest validation loss."""
    for weight, value in zip(self._weights, self._best, strict=True):
      weight.assign(value)


class Progress(keras.callbacks.Callback):  # type: ignore[misc]
  """Reports every epoch, about every ten seconds within one, and the time left."""

  def __init__(self, report: Callable[[str], None], images_a_step: int = 0) -> None:
    super().__init__()
    self._report, self._passes = report, progress.TRAINING * images_a_step
    self._epoch = self._done = 0
    self._start = self._last = time.monotonic()

  def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
    """Remembers the epoch, from 0; with the first it is known how many follow."""
    self._epoch = epoch
    if not self._done:
      progress.current.expect(self._steps_left(0) * self._passes)

  def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
    """After step `batch`, from 0; refuses a loss that is not finite."""
    _check_finite(logs["loss"], f"epoch {self._epoch + 1}, step {batch + 1}")
    self._done += 1
    progress.current.advance(self._passes)
    if self._done == 1:
      self._start = time.monotonic()  # the first step traces: it says nothing about the others
    elif time.monotonic() - self._last > _SECONDS:
      self._line(batch + 1, f"step {batch + 1}/{self.params['steps']}, ", logs)

  def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
    """After the validation."""
    self._line(self.params["steps"], "", logs)

  def _steps_left(self, step: int) -> int:
    return int((self.params["epochs"] - self._epoch) * self.params["steps"] - step)

  def _line(self, step: int, where: str, logs: dict[str, float]) -> None:
    self._last = time.monotonic()
    seconds = self._steps_left(step) * (self._last - self._start) / max(self._done - 1, 1)
    numbers = ", ".join(f"{_KEYS.get(k, k).replace('_', ' ')} {v:.3f}" for k, v in logs.items())
    epoch = f"epoch {self._epoch + 1}/{self.params['epochs']}"
    self._report(f"training: {epoch}, {where}{numbers}, {seconds:.0f} s left")


def _check_finite(value: float, where: str) -> None:
  if not np.isfinite(value):
    raise InputError(
      expected="finite loss and weights",
      actual=f"{value} at {where}",
      remedy="look for NaN in the images or lower the learning rate",
    )
