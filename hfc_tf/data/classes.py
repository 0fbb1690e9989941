"""Names of classes in the order of a model's outputs."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from hfc_tf.errors import InputError


def places_of(name: str, class_names: Sequence[str]) -> list[int]:
  """Where a class stands among the names; upper and lower case count only where they have to."""
  return [place for place, each in enumerate(class_names) if each == name] or [
    place for place, each in enumerate(class_names) if each.casefold() == name.casefold()
  ]


def order(names: Sequence[str], class_names: Sequence[str]) -> list[int]:
  """Where each of K names stands among the K class names.

  Raises:
    InputError: unless they are the same names, each once.
  """
  places = [place for name in names for place in places_of(name, class_names)]
  if len(names) != len(class_names) or sorted(places) != list(range(len(class_names))):
    expected = f"--classes with each of {', '.join(class_names)} once"
    raise InputError(expected, ", ".join(names), "name them in the order of the model's outputs")
  return places


def read(names: Sequence[str]) -> tuple[str, ...]:
  """The names; one that is a file stands for those in it.

  A txt file has a name a line, perhaps after its number ("0 normal"); a json file has a list of
  names, or names and numbers in either order (Keras's class_indices, an id2label).

  Raises:
    InputError: for a file that holds something else.
  """
  if len(names) != 1 or not os.path.isfile(names[0]):
    return tuple(names)
  try:
    return _read(Path(names[0]).read_text("utf-8"))
  except (OSError, ValueError, TypeError, RecursionError) as error:
    expected = "--classes: a name a line, or json of names, or of names and numbers from 0"
    raise InputError(expected, f"{names[0]}: {str(error)[:100]}", "correct the file") from error


def _read(text: str) -> tuple[str, ...]:
  if text.lstrip()[:1] in ("[", "{"):
    content = json.loads(text)
    if isinstance(content, list):
      return tuple(map(str, content))
    by_name = all(isinstance(value, int) for value in content.values())
    pairs = [(value, key) if by_name else (key, value) for key, value in content.items()]
  else:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    pairs = [line.partition(" ")[::2] for line in lines]
    if not all(number.isdecimal() and name for number, name in pairs):
      return tuple(lines)
  numbered = sorted((int(number), str(name).strip()) for number, name in pairs)
  if [number for number, _ in numbered] != list(range(len(numbered))):
    raise ValueError(f"numbers {', '.join(str(number) for number, _ in numbered[:5])} ...")
  return tuple(name for _, name in numbered)
