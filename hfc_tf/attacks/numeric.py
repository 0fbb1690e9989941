"""Numbers that users pass, checked; no TensorFlow, for flags."""

from __future__ import annotations

import math
import operator
from typing import Any

from hfc_tf.errors import InputError

_LARGEST_SEED = 2**31 - 1


def number(
  name: str, value: Any, remedy: str, *, above: float | None = None, least: float | None = None
) -> float:
  """A finite number, if asked for above or at least another.

  Raises:
    InputError: for anything else.
  """
  try:
    result = math.nan if isinstance(value, bool | str) else float(value)
  except (TypeError, ValueError):
    result = math.nan
  if (above is not None and result <= above) or (least is not None and result < least):
    result = math.nan
  if not math.isfinite(result):
    limit = f" above {above:g}" if above is not None else ""
    limit += f" of {least:g} or more" if least is not None else ""
    raise InputError(f"{name} as a finite number{limit}", repr(value), remedy)
  return result


def whole(name: str, value: Any, remedy: str, *, least: int = 1) -> int:
  """An integer of at least `least`.

  Raises:
    InputError: for anything else.
  """
  try:
    result = least - 1 if isinstance(value, bool) else operator.index(value)
  except TypeError:
    result = least - 1
  if result < least:
    raise InputError(f"{name} as an integer of {least} or more", repr(value), remedy)
  return result


def checked_seed(value: Any) -> int:
  """A seed from 0 to 2^31 - 1, as TensorFlow's stateless draws take it.

  Raises:
    InputError: for anything else.
  """
  seed = whole("a seed", value, "pass seed=0", least=0)
  if seed > _LARGEST_SEED:
    raise InputError(f"a seed from 0 to {_LARGEST_SEED}", repr(value), "pass seed=0")
  return seed
