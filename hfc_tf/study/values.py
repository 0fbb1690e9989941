"""Values of flags, each checked in one line before any work; None always passes."""

from __future__ import annotations

import math
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence

from hfc_tf.errors import InputError
from hfc_tf.variants import Kind, Real, Value, number, parse

MOST_SEED = 2**31 - 1  # seeds are int32 in compiled loops


def among(flag: str, value: str | None, names: Iterable[str]) -> None:
  """Refuses a name that is none of `names`."""
  known = list(names)
  if value is not None and value not in known:
    raise InputError(f"{flag} among {', '.join(known)}", repr(value), "name one of them")


def several(flag: str, values: Sequence[object] | None, names: Iterable[str] | None = None) -> None:
  """Refuses an empty list, doubled entries, and entries that are none of `names`."""
  if values is None:
    return
  if not values:
    raise InputError(f"{flag} with at least one entry", "none", "name some, or leave it out")
  if names is not None:
    known = list(names)
    for value in values:
      among(flag, str(value), known)
  doubled = [value for place, value in enumerate(values) if value in values[:place]]
  if doubled:
    raise InputError(f"{flag} without repetition", f"{doubled[0]!r} twice", "name it once")


def variants(
  flag: str, values: Sequence[str], options: Mapping[str, Mapping[str, Kind]]
) -> None:
  """Refuses what is none of the names in `options` or has no such options, and doubled entries."""
  several(flag, values)
  seen: list[tuple[str, dict[str, Value]]] = []
  for text in values:
    name, given = parse(text, f"{flag}: ")
    among(flag, name, options)
    for key, value in given.items():
      if not options[name]:
        raise InputError(f"{flag}: {name}, which has no options", repr(text), f"write {name}")
      among(f"{flag}: options of {name}", key, options[name])
      _option(f"{flag}: {key} of {name}", value, options[name][key])
    if (name, given) in seen:
      raise InputError(f"{flag} without repetition", f"{text!r} again", "name it once")
    seen.append((name, given))


def _option(label: str, value: Value, kind: Kind) -> None:
  """Refuses an option's value that is not of its kind."""
  a_number = isinstance(value, int | float) and not isinstance(value, bool)
  if isinstance(kind, Real) and a_number:
    real(label, float(value), *kind)
  elif isinstance(kind, tuple) and not isinstance(kind, Real):
    among(label, str(value), kind)
  elif isinstance(kind, range):
    if not isinstance(value, int) or isinstance(value, bool) or value not in kind:
      numbers = "whole numbers" if kind.step == 1 else f"{kind[0]}, {kind[1]}, {kind[2]}, ..."
      expected = f"{label} among {numbers} from {kind[0]} to {kind[-1]}"
      raise InputError(expected, str(value), "leave it out for the default")
  elif not (kind is bool and isinstance(value, bool)):
    expected = f"{label} as {'true or false' if kind is bool else 'a number'}"
    raise InputError(expected, str(value), "leave it out for the default")


def whole(flag: str, value: int | None, least: int = 1, most: int = 10**6) -> None:
  """Refuses a count out of range."""
  if value is not None and not least <= value <= most:
    raise InputError(f"{flag} from {least} to {most}", str(value), "leave it out for the default")


def real(
  flag: str, value: float | None, low: float = 0, high: float = math.inf, low_fits: bool = False
) -> None:
  """Refuses a number outside of (low, high], with `low_fits` of [low, high]."""
  if value is None or (math.isfinite(value) and low < value <= high) or (low_fits and value == low):
    return
  limits = f"{'of at least' if low_fits else 'above'} {low:g}"
  if math.isfinite(high):
    limits += f" and at most {high:g}"
  raise InputError(f"{flag} {limits}", f"{value:g}", "correct it, or leave it out")


def budget(flag: str, value: float | None) -> None:
  """Refuses a budget or a step out of (0, 256]."""
  real(f"{flag}, in 1/256,", value, 0, 256)


def budgets(flag: str, values: Sequence[float] | None) -> None:
  """Refuses budgets out of (0, 256] and doubled ones."""
  for value in values or ():
    budget(flag, value)
  several(flag, values)


def weights(flag: str, values: Sequence[str]) -> None:
  """Refuses what are no weights: 'balanced', 'auto' or numbers above 0, each once."""
  expected, rules = f"{flag}: 'balanced', 'auto' or numbers above 0", ("balanced", "auto")
  if not values:
    raise InputError(expected, "none", "e.g. 1,balanced")
  for value in values:
    if value not in rules and not 0 < number(value) < math.inf:
      raise InputError(expected, repr(value), "e.g. 1,balanced")
  several(flag, [value if value in rules else f"{float(value)!r}" for value in values])


def window(flag: str, value: Sequence[str] | None) -> None:
  """Refuses what is no level and width."""
  level, width = map(number, value) if value and len(value) == 2 else (math.nan, math.nan)
  if value is not None and not (math.isfinite(level) and 0 < width < math.inf):
    given = repr(",".join(map(str, value)))
    raise InputError(f"{flag}=level,width, width above 0", given, "e.g. 40,80 for a brain")


def crop(flag: str, value: Sequence[str] | None) -> None:
  """Refuses what are no two or three sides."""
  right = value is None or (len(value) in (2, 3) and all(
    text.isascii() and text.isdecimal() and 0 < int(text) <= 4096 for text in map(str, value)
  ))  # fmt: skip
  if not right:
    given = repr(",".join(map(str, value or ())))
    raise InputError(f"{flag}=D,H,W or {flag}=H,W", given, "e.g. 30,128,128 for volumes")


def file(flag: str, path: str | None, *but: str) -> None:
  """Refuses a path at which there is no file, unless it is one of `but`."""
  if path is not None and path not in but and not os.path.isfile(path):
    raise InputError(f"a file at {flag}", f"none at {path!r}", "correct the path")


def starts(flag: str, value: str | None, names: Iterable[str]) -> None:
  """Refuses what is neither a weights file nor "imagenet", nor NAME=FILE pairs of them."""
  for name, path in start_files(flag, value).items():
    if name:
      among(f"{flag}=NAME=FILE with a NAME", name, names)
    file(flag, path, "imagenet")
    if path != "imagenet" and not path.endswith((".keras", ".weights.h5")):
      raise InputError(f"a .keras or .weights.h5 file at {flag}", repr(path), "save it by Keras 3")


def start_files(flag: str, value: str | None) -> dict[str, str]:
  """Architecture -> file or "imagenet", of --weights; "" stands for every architecture."""
  if value is None:
    return {}
  if "=" not in value or os.path.isfile(value):
    return {"": value}
  pairs = [entry.partition("=") for entry in value.split(",")]
  several(flag, [name for name, _, _ in pairs])
  if not all(name and path for name, _, path in pairs):
    raise InputError(f"{flag}=FILE, or NAME=FILE pairs", repr(value), "e.g. vgg16=a.weights.h5")
  return {name: path for name, _, path in pairs}


def starts_fit(flag: str, value: str | None, models: Sequence[str]) -> None:
  """Refuses one file for several architectures, and files for none of them."""
  files, several_models = start_files(flag, value), len(set(models)) > 1
  if several_models and files.get("", "imagenet") != "imagenet":
    raise InputError(
      f"a file for each architecture ({', '.join(dict.fromkeys(models))})", f"one at {flag}",
      f"give {flag}={models[0]}=FILE, with a comma between several",
    )  # fmt: skip
  if models and (vain := [name for name in files if name and name not in models]):
    raise InputError(
      f"{flag} for {', '.join(dict.fromkeys(models))}", vain[0], "leave it out, or add the model"
    )


def images_of(entry: str) -> tuple[str, int | None, str | None]:
  """Name, side and folder of NAME, NAME=FOLDER, NAME:SIDE or NAME:SIDE=FOLDER."""
  head, _, folder = entry.partition("=")
  name, _, side = head.partition(":")
  return name, int(side) if side else None, folder or None


def images(flag: str, entries: Sequence[str] | None, names: Iterable[str]) -> None:
  """Refuses what `images_of` cannot read, unknown names and places without files."""
  for entry in entries or ():
    name, colon, side = entry.partition("=")[0].partition(":")
    among(flag, name, names)
    if colon and not (side.isascii() and side.isdecimal() and 8 <= int(side) <= 4096):
      expected = f"{flag}=NAME:SIDE=FOLDER, sides 8 to 4096"
      raise InputError(expected, repr(entry), "e.g. chest:64=DIR")
    readable(flag, images_of(entry)[2])
  several(flag, entries)


def readable(flag: str, path: str | None) -> None:
  """Refuses a path at which there is neither a file nor a folder."""
  if path is not None and not os.path.exists(path):
    raise InputError(f"a folder or file at {flag}", f"none at {path!r}", "correct the path")


def writable(flag: str, path: str | None) -> None:
  """Refuses a folder that cannot be made or written."""
  if path is None:
    return
  if not path:
    raise InputError(f"a folder at {flag}", "an empty name", "name one, or leave it out")
  place = pathlib.Path(path).absolute()
  there = next(folder for folder in (place, *place.parents) if folder.exists())
  if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
    reason = f"{there} may not be written" if there.is_dir() else f"{there} is a file"
    raise InputError(f"to be able to write {flag}={path}", reason, "choose another")
