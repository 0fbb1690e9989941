"""From a scanner's units to grey values: what is padding, what is CT, and which range is shown."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import logging

from hfc_tf.errors import InputError

CT_WINDOW = (40.0, 400.0)  # soft tissue: level and width in Hounsfield units
BRAIN_WINDOW = (40.0, 80.0)
_AIR = (-1500.0, -200.0)  # where CT has its smallest values, and hardly anything else
_PADDING = -1100.0  # Hounsfield units: no air is less


def tissue(values: np.ndarray, path: Path) -> np.ndarray:
  """Up to 2^20 values that are no padding, [n]; padding that no header tells becomes NaN.

  Such is a lowest value that is common, below all that CT makes of air, and far from the next.
  """
  some: np.ndarray = values.flat[:: max(values.size >> 20, 1)]
  some = some[np.isfinite(some)]
  if not some.size:
    raise InputError("voxels that are numbers", f"padding alone in {path}", "remove it")
  lowest = some.min()
  rest: np.ndarray = some[some > lowest]
  if lowest < _PADDING and rest.size and some.size - rest.size >= 0.001 * some.size:
    low, high = np.percentile(rest, [0.5, 99.5])
    if rest.min() - lowest > (high - low) / 4:
      logging.info("%s: %g is taken for padding", path, lowest)
      values[values == lowest] = np.nan
      return rest
  return some


def looks_like_ct(some: np.ndarray) -> bool:
  """Whether the smallest values are those of air, but for a few of streaks or ringing."""
  low, high = np.percentile(some, [0.1, 0.5])
  return bool(_AIR[0] <= low and high <= _AIR[1])


def windowed(values: np.ndarray, level: float, width: float, inverted: bool = False) -> np.ndarray:
  """uint16 of the same shape: 0 at level - width / 2 and below, 65535 at level + width / 2.

  `inverted` the other way round; NaN becomes 0 either way.
  """
  unit = (values - np.float32(level)) / np.float32(width) + np.float32(0.5)
  unit = np.clip(unit, 0, 1)
  return np.asarray(np.rint(65535 * np.nan_to_num(1 - unit if inverted else unit)), np.uint16)


def stored_bits(values: np.ndarray) -> int:
  """12 where voxels are whole numbers whose range fits 4096 levels, as CT's do; else 16."""
  if np.nanmax(values) - np.nanmin(values) > 4095:
    return 16
  whole = all((np.isnan(plane) | (plane == np.rint(plane))).all() for plane in values)
  return 12 if whole else 16


def percentiles(some: np.ndarray, values: np.ndarray) -> tuple[float, float]:
  """Level and width from the 0.5th to the 99.5th percentile; from end to end where these meet."""
  low, high = np.percentile(some, [0.5, 99.5]).tolist()
  if low == high:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
  return (low + high) / 2, (high - low) or 1.0


def parsed(window: Sequence[float | str]) -> tuple[float, float]:
  """Level and width as numbers; InputError for what is none."""
  try:
    level, width = (float(value) for value in window)
    if not (np.isfinite(level) and 0 < width < np.inf):
      raise ValueError
  except ValueError:
    text = ",".join(map(str, window))
    raise InputError("--window=level,width, width above 0", text, "e.g. 40,80") from None
  return level, width
