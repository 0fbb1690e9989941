"""Learnt arrays by name: saved as plain files, turned into tensors once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import tensorflow as tf

from hfc_tf.detectors.learning import Array, Tensor
from hfc_tf.errors import InputError
from hfc_tf.storage.arrays import save_arrays, users_arrays
from hfc_tf.storage.hashing import digest


class Stored:
  """Something whose learnt names end in `_`: arrays, dictionaries of arrays or plain values."""

  key: ClassVar[str]

  def settings(self) -> dict[str, Any]:
    """What the constructor was given, as json knows it."""
    return {name: value for name, value in self._plain().items() if not name.endswith("_")}

  def digest(self) -> str:
    """Hashes all of it, what is learnt included."""
    return digest(self.key, self._plain(), self._arrays())

  def save(self, path: str | os.PathLike[str]) -> None:
    """Writes one npz: the learnt arrays by name, and `config`, a json text of all else.

    Raises:
      InputError: the file cannot be written; an earlier one is then left as it was.
    """
    config = json.dumps({"detector": self.key, "values": self._plain()})
    save_arrays(path, {**self._arrays(), "config": config}, checksum=True)

  @classmethod
  def load(cls, path: str | os.PathLike[str]) -> Self:
    """Reads what `save` wrote; raises InputError as `read`."""
    return read(path, {cls.key: cls})

  def _plain(self) -> dict[str, Any]:
    public = {name: value for name, value in vars(self).items() if not name.startswith("_")}
    return {n: value for n, value in public.items() if not isinstance(value, np.ndarray | dict)}

  def _learnt(self) -> dict[str, Any]:
    """Learnt arrays and dictionaries of arrays by name."""
    learnt = {name: value for name, value in vars(self).items() if name.endswith("_")}
    return {n: value for n, value in learnt.items() if isinstance(value, np.ndarray | dict)}

  def _arrays(self) -> dict[str, Array]:
    """Learnt arrays by name; those of a dictionary as name/key."""
    return {
      f"{name}/{key}" if key else name: array
      for name, value in self._learnt().items()
      for key, array in (value.items() if isinstance(value, dict) else [("", value)])
    }

  def _freeze(self) -> None:
    """Makes tensors of the learnt arrays, once, so that traces capture instead of embed them."""
    self._tensors: dict[str, Any] = tf.nest.map_structure(tf.constant, self._learnt())
    self._compiled: dict[Any, Callable[..., Tensor]] = {}


S = TypeVar("S", bound=Stored)


def read(path: str | os.PathLike[str], kinds: Mapping[str, type[S]]) -> S:
  """Reads a saved detector of one of these kinds, by key.

  Raises:
    InputError: no such file, a damaged one, or one of another kind.
  """
  expected, remedy = "a saved detector (npz)", "save the fitted detector again"
  arrays = users_arrays(path, expected, remedy)
  try:
    config = json.loads(str(arrays.pop("config")))
    key, values = config["detector"], dict(config["values"])
  except (ValueError, KeyError, TypeError) as error:
    raise InputError(expected, f"{path}: {type(error).__name__}: {error}", remedy) from error
  if key not in kinds:
    raise InputError(f"a saved {' or '.join(kinds)}", f"{key} in {path}", "load it with its class")
  detector = kinds[key].__new__(kinds[key])
  for name, array in arrays.items():
    dictionary, _, entry = name.partition("/")
    if entry:
      values.setdefault(dictionary, {})[entry] = array
    else:
      values[name] = array
  vars(detector).update(values)
  detector._freeze()
  return detector
