"""Features in blocks, so that they may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hfc_tf.checked import check_count, check_seed
from hfc_tf.errors import InputError

Array = np.ndarray[Any, np.dtype[np.float64]]

_BYTES = 2**28  # of one block
_ROUNDING = 1e-6  # a channel whose deviation is a smaller part of its mean does not move
_UNHEARD = 1e6  # the deviation of a channel that does not move: it has no unit, and no say


class Blocks:
  """Rows of features, read in blocks and as often as they are iterated.

  Args:
    features: [N, C]: an array, an np.memmap or Blocks; an InputError refuses what is no numbers.
    rows: which rows to read, int [n]; all of them if None.
  """

  def __init__(self, features: Any, rows: Any = None) -> None:
    if isinstance(features, Blocks):
      features, rows = features._features, features._rows
    array: np.ndarray[Any, Any] = np.asanyarray(features)
    if array.dtype.kind not in "fiub":
      raise InputError("features that are numbers", f"dtype {array.dtype}", "give float32 features")
    if array.ndim != 2:
      remedy = "give a row of C numbers an image"
      raise InputError("features [N, C]", f"shape {array.shape}", remedy)
    self._features: np.ndarray[Any, Any] = array
    self._rows: Any = rows
    self.dtype = np.dtype(np.float64 if array.dtype == np.float64 else np.float32)
    self.count = len(array if rows is None else rows)
    self.width = int(array.shape[1])
    self._size = max(256, _BYTES // (self.dtype.itemsize * self.width))

  def __iter__(self) -> Iterator[np.ndarray[Any, Any]]:
    for first in range(0, self.count, self._size):
      rows: Any = slice(first, first + self._size)
      yield np.asarray(self._features[rows if self._rows is None else self._rows[rows]], self.dtype)

  def check(self, components: int, seed: int = 0) -> None:
    """Refuses what no mixture can be fitted to: too few images, features that are not finite."""
    check_count("component", components)
    check_seed(seed)
    least = max(components, 2)
    if self.count < least:
      expected = f"at least {least} images of a class for {components} components"
      raise InputError(expected, f"{self.count}", "give more images or lower --components")
    if not all(np.isfinite([block.min(), block.max()]).all() for block in self):
      raise InputError("finite features", "NaN or infinity", "check the model and its images")

  def deviation(self) -> tuple[Array, Array]:
    """Mean and standard deviation of each channel, [C]."""
    mean = np.sum([block.sum(0, np.float64) for block in self], axis=0) / self.count
    squares = np.sum([((block - mean) ** 2).sum(0) for block in self], axis=0)
    return mean, np.sqrt(squares / self.count)

  def scale(self, least: Any = 0.0) -> tuple[Array, Array]:
    """Mean and unit of each channel, [C]: its deviation, at least `least`, if it moves."""
    mean, scale = self.deviation()
    scale = np.maximum(scale, least)
    return mean, np.where(scale > _ROUNDING * np.abs(mean), scale, _UNHEARD)
