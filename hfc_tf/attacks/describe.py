"""Objects as plain JSON values, from which a cache key can be made."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf


def plain(value: Any) -> Any:
  """Numbers, texts, lists and dictionaries for whatever settings and learnt arrays are made of.

  Arrays and tensors become {"sha256": of their type, shape and bytes}. Of other objects the class
  and the attributes whose names have no leading underscore are told; private ones follow from
  them.

  Raises:
    TypeError: for functions and classes.
  """
  if value is None or isinstance(value, bool | int | float | str):
    return value
  if isinstance(value, np.generic):
    return value.item()
  if isinstance(value, np.ndarray | tf.Tensor):
    array = np.ascontiguousarray(value)
    content = f"{array.dtype.str}{array.shape}".encode() + array.tobytes()
    return {"sha256": hashlib.sha256(content).hexdigest()}
  if isinstance(value, Mapping):
    return {str(key): plain(one) for key, one in value.items()}
  if isinstance(value, list | tuple):
    return [plain(one) for one in value]
  if inspect.isroutine(value) or isinstance(value, type):
    raise TypeError(f"{value!r} cannot be told in plain values")
  if dataclasses.is_dataclass(value):
    own = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
  else:
    own = {name: one for name, one in vars(value).items() if not name.startswith("_")}
  return {"class": type(value).__name__, **{name: plain(one) for name, one in own.items()}}


def shown(value: Any) -> str:
  """An object as its class and its plain settings, the weight aside: "Momentum(decay=1.0)"."""
  settings = [
    f"{name}={one!r}"
    for name, one in vars(value).items()
    if name != "weight" and not name.startswith("_") and isinstance(one, bool | int | float | str)
  ]
  return f"{type(value).__name__}({', '.join(settings)})"


def brief(value: Any) -> Any:
  """A plain value, where it is a dictionary shortened to {"sha256": of its JSON text}."""
  if not isinstance(value, dict) or value.keys() == {"sha256"}:
    return value
  return {"sha256": hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()}
