"""Names that are imported when they are asked for: flags are checked without TensorFlow."""

from __future__ import annotations

import collections
import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from hfc_tf.surroundings import check_backend

Made = TypeVar("Made")
_WITHOUT_KERAS = ("hfc_tf.data", "hfc_tf.errors", "hfc_tf.evaluation")


def load(place: str) -> Any:
  """The object at "module:name", or the module at "module".

  Raises:
    InputError: where Keras is needed and has another backend than TensorFlow.
  """
  module, _, name = place.partition(":")
  if not module.startswith(_WITHOUT_KERAS):
    check_backend()
  imported = importlib.import_module(module)
  return getattr(imported, name) if name else imported


def exports(
  package: str, places: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
  """A package's `__getattr__` and `__dir__` (PEP 562).

  `places` tells of a name the package's module that holds it; "" for a module of that name.
  """

  def get(name: str) -> Any:
    if name not in places:
      raise AttributeError(f"module {package!r} has no attribute {name!r}")
    module = places[name]
    return load(f"{package}.{module}:{name}" if module else f"{package}.{name}")

  def names() -> list[str]:
    return sorted({*vars(sys.modules[package]), *places})

  return get, names


class Registry(collections.UserDict[str, Made]):
  """Name -> constructor, given as "module:name" and imported when it is asked for."""

  def __init__(self, places: Mapping[str, str]) -> None:
    super().__init__()
    self.data: dict[str, Any] = dict(places)

  def __getitem__(self, name: str) -> Made:
    value: Any = self.data[name]
    made: Made = load(value) if isinstance(value, str) else value
    return made
