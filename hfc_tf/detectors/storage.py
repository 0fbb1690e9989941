"""Learnt arrays by name: kept as plain files, turned into tensors once."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from hfc_tf.errors import InputError
from hfc_tf.storage.arrays import save_arrays, users_arrays

Array = npt.NDArray[Any]
Tensor = Any


class Stored:
  """Something whose learnt names end in `_` and are arrays, dictionaries of arrays or plain values.

  Attributes:
    key: name in the registry.
  """

  key: ClassVar[str]

  def settings(self) -> dict[str, Any]:
    """What the constructor was given, as json knows it."""
    names = inspect.signature(type(self)).parameters
    return {name: vars(self)[name] for name in names if name in vars(self)}

  def save(self, path: str | os.PathLike[str]) -> None:
    """Writes one npz: the learnt arrays by name, and `config`, a json text of all else.

    Raises:
      InputError: the file cannot be written; an earlier one is then left as it was.
    """
    arrays: dict[str, Any] = dict(self._arrays())
    plain = {
      name: value
      for name, value in vars(self).items()
      if not name.startswith("_") and not isinstance(value, (np.ndarray, dict))
    }
    arrays["config"] = np.array(json.dumps({"detector": self.key, "values": plain}))
    save_arrays(path, arrays)

  @classmethod
  def load(cls, path: str | os.PathLike[str]) -> Self:
    """Reads what `save` wrote.

    Raises:
      InputError: no such file, a damaged one, or one of another detector.
    """
    arrays = read_arrays(path)
    config = json.loads(str(arrays.pop("config")))
    if config["detector"] != cls.key:
      raise InputError(f"a saved {cls.key}", config["detector"], "load it with its own class")
    names = inspect.signature(cls).parameters
    detector = cls(**{n: v for n, v in config["values"].items() if n in names})
    for name, value in config["values"].items():
      if name not in names:
        setattr(detector, name, value)
    for name, array in arrays.items():
      owner, _, key = name.partition("/")
      if key:
        vars(detector).setdefault(owner, {})[key] = array
      else:
        setattr(detector, name, array)
    detector._freeze()
    return detector

  def _freeze(self) -> None:
    """Makes tensors of the learnt arrays, once, so that traces capture instead of embed them."""
    self._compiled: dict[Any, Callable[..., Tensor]] = {}
    self._tensors: dict[str, Tensor] = {k: tf.constant(v) for k, v in self._arrays().items()}

  def _group(self, name: str) -> dict[str, Tensor]:
    """The tensors of a learnt dictionary, by key."""
    prefix = name + "/"
    return {k.removeprefix(prefix): v for k, v in self._tensors.items() if k.startswith(prefix)}

  def _arrays(self) -> dict[str, Array]:
    """Learnt arrays by name; those of a dictionary as name/key."""
    arrays = {}
    for name, value in vars(self).items():
      if name.endswith("_") and isinstance(value, np.ndarray):
        arrays[name] = value
      elif name.endswith("_") and isinstance(value, dict):
        arrays |= {f"{name}/{key}": array for key, array in value.items()}
    return arrays


def read_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
  """Arrays of a saved detector by name, `config` among them."""
  expected, remedy = "a saved detector (npz)", "save the fitted detector again"
  arrays = users_arrays(path, expected, remedy)
  try:
    json.loads(str(arrays["config"]))["detector"]
  except (ValueError, KeyError, TypeError) as error:
    raise InputError(expected, f"{path}: {type(error).__name__}: {error}", remedy) from error
  return arrays
