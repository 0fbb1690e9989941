"""A training's whole state in one file, which is always either the old one or the new one."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
from absl import logging

from hfc_tf.storage.arrays import DamagedFile, load_arrays, save_arrays


def save(path: Path, state: dict[str, Any], arrays: dict[str, list[np.ndarray]]) -> None:
  """Writes beside `path` and renames, so that a kill at any moment leaves a whole file.

  Args:
    path: the checkpoint, an npz.
    state: what json can hold.
    arrays: name -> arrays in order.
  """
  named = {f"{name}/{i}": a for name, values in arrays.items() for i, a in enumerate(values)}
  counts = {name: len(values) for name, values in arrays.items()}
  save_arrays(path, {"state": np.array(json.dumps({"state": state, "counts": counts})), **named})


def load(path: Path) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]]:
  """Reads what `save` wrote.

  Raises:
    ValueError: the file is damaged.
    FileNotFoundError: there is none.
  """
  stored = load_arrays(path)
  try:
    header = json.loads(str(stored["state"]))
    arrays = {
      name: [stored[f"{name}/{i}"] for i in range(count)]
      for name, count in header["counts"].items()
    }
    return header["state"], arrays
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise DamagedFile(f"{path}: {type(error).__name__}: {error}") from error


class Run:
  """What a checkpoint holds: weights, dropout seeds, optimizer, best weights, history.

  Args:
    model: it and its optimizer are read at the end of epochs and written by `resume`.
    optimizer: built for the model's trainable variables.
  """

  def __init__(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
    self._variables = model.variables  # weights and the states of dropout's seed generators
    self._weights = model.weights
    self._optimizer_variables = optimizer.variables
    self._path: Path | None = None
    self._key = ""
    self.history: list[dict[str, float]] = []
    self._best: list[np.ndarray] = []

  def model(self) -> list[np.ndarray]:
    """The model's present variables."""
    return [np.asarray(v).copy() for v in self._variables]

  def resume(self, path: Path, key: str) -> None:
    """Goes on from `path` where it holds this very run, else warns and starts again."""
    self._path, self._key = path, key
    try:
      state, arrays = load(path)
      if state["key"] != key:
        raise ValueError("it belongs to another training")
    except FileNotFoundError:
      return
    except ValueError as error:
      logging.warning("Checkpoint %s cannot be used (%s); training starts again.", path, error)
      return
    _assign(self._variables, arrays["model"])
    _assign(self._optimizer_variables, arrays["optimizer"])
    self.history, self._best = state["history"], arrays["best"]

  def end_epoch(self, row: dict[str, float]) -> None:
    """Appends to the history, keeps the best weights, writes the checkpoint."""
    if row["validation_loss"] < min((r["validation_loss"] for r in self.history), default=np.inf):
      self._best = [np.asarray(w).copy() for w in self._weights]
    self.history.append(row)
    if self._path is not None:
      arrays = {
        "model": self.model(),
        "optimizer": [np.asarray(v) for v in self._optimizer_variables],
        "best": self._best,
      }
      save(self._path, {"key": self._key, "history": self.history}, arrays)

  def restore_best(self) -> None:
    """Gives the model the weights of the epoch of smallest validation loss."""
    _assign(self._weights, self._best)


def _assign(variables: list[keras.Variable], values: list[np.ndarray]) -> None:
  for variable, value in zip(variables, values, strict=True):
    variable.assign(value)
