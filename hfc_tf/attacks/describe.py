"""Objects as plain JSON values, from which a cache key can be made."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.storage.hashing import digest


def plain(value: Any) -> Any:
  """Numbers, texts, lists and dictionaries for whatever settings and learnt arrays are made of.

  Arrays and tensors become {"sha256": their digest}. Of other objects the class and the attributes
  whose names have no leading underscore are told; private ones follow from them. Functions and
  classes cannot be told: a TypeError.
  """
  if value is None or isinstance(value, bool | int | float | str):
    return value
  if isinstance(value, np.generic):
    return value.item()
  if isinstance(value, np.ndarray | tf.Tensor):
    return {"sha256": digest(np.asarray(value))}
  if isinstance(value, Mapping):
    return {str(key): plain(one) for key, one in value.items()}
  if isinstance(value, list | tuple):
    return [plain(one) for one in value]
  if inspect.isroutine(value) or isinstance(value, type):
    raise TypeError(f"{value!r} cannot be told in plain values")
  fields = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
  names = [field.name for field in fields] or [name for name in vars(value) if name[0] != "_"]
  return {"class": type(value).__name__, **{name: plain(getattr(value, name)) for name in names}}


def shown(value: Any) -> str:
  """An object as its class and its plain settings, the weight aside: "Momentum(decay=1.0)"."""
  settings = [
    f"{name}={one!r}"
    for name, one in vars(value).items()
    if name != "weight" and name[0] != "_" and isinstance(one, bool | int | float | str)
  ]
  return f"{type(value).__name__}({', '.join(settings)})"


def brief(value: Any) -> Any:
  """A plain value; a dictionary as its digest."""
  return {"sha256": digest(value)} if isinstance(value, dict) and "sha256" not in value else value
