"""Attacks and detectors with options, as flags and rows name them: "tim(kernel=7)"."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from hfc_tf.errors import InputError

Value = bool | int | float | str


class Real(NamedTuple):
  """Numbers above `low`, with `low_fits` from it on, and at most `high`."""

  low: float
  high: float = math.inf
  low_fits: bool = False


Kind = range | Real | tuple[str, ...] | type[bool]  # what an option may be: of names one
_FORM = re.compile(r"(\w+)(?:\((\w+=[\w.+-]+(?:,\w+=[\w.+-]+)*)\))?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def plain(text: str) -> str:
  """The text without blanks and quotes: "tim( kernel = 7 )" -> "tim(kernel=7)"."""
  text = re.sub(r"\s*([(),=])\s*", r"\1", text.strip())
  return re.sub(r"=(['\"])([^'\"]*)\1", r"=\2", text)


def parse(text: str, label: str = "") -> tuple[str, dict[str, Value]]:
  """ "tim(kernel=7)" -> ("tim", {"kernel": 7}).

  A value is a whole number, another number, true or false, or else a name. `label` begins what a
  refusal says.

  Raises:
    InputError: for another form, or an option that is given twice.
  """
  match = _FORM.fullmatch(plain(text))
  if match is None:
    raise InputError(f"{label}NAME or NAME(option=value,...)", repr(text), "e.g. tim(kernel=7)")
  pairs = [entry.split("=") for entry in match[2].split(",")] if match[2] else []
  options = {name: _value(value) for name, value in pairs}
  if len(options) < len(pairs):
    raise InputError(f"{label}each option once", repr(text), "leave one out")
  return match[1], options


def base(text: str) -> str:
  """The name alone: "tim(kernel=7)" -> "tim"."""
  return text.partition("(")[0].strip()


def joined(entries: Sequence[str]) -> list[str]:
  """Entries of a list whose commas within parentheses have been taken for its own."""
  made: list[str] = []
  for entry in entries:
    if made and made[-1].count("(") > made[-1].count(")"):
      made[-1] += f",{entry}"
    else:
      made.append(entry)
  return made


def number(text: str) -> float:
  """A number as flags take it; NaN for any other text."""
  # float() reads 1_0 and other scripts' digits as well
  return float(text) if _NUMBER.fullmatch(text) else math.nan


def _value(text: str) -> Value:
  if text in ("true", "false"):
    return text == "true"
  if re.fullmatch(r"[+-]?\d+", text, re.ASCII):
    return int(text)
  value = number(text)
  return text if math.isnan(value) else value
