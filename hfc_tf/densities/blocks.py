"""Features in blocks, so that they may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hfc_tf.checked import check_count, check_seed
from hfc_tf.errors import InputError

_BYTES = 2**28  # what one block, and what is computed of it, may take
_SAMPLE = 2**14  # rows that stand for all where a start is looked for


class Blocks:
  """Rows of features, read in blocks and as often as they are iterated.

  Args:
    features: [N, C]: an array, an np.memmap, or a list of such that lie below each other.
    factor: how many numbers are computed of each. It sets the size of a block.
    rows: which rows to read, int [n]; all of them if None.
  """

  def __init__(self, features: Any, factor: int = 1, rows: Any = None) -> None:
    if isinstance(features, Blocks):
      features, rows = features._parts, features._rows
    parts = list(features) if isinstance(features, list | tuple) else [np.asanyarray(features)]
    if not parts or any(part.ndim != 2 or part.shape[1:] != parts[0].shape[1:] for part in parts):
      shapes = ", ".join(str(np.shape(part)) for part in parts)
      raise InputError("features [N, C]", f"shapes {shapes}", "give a row of C numbers an image")
    kinds = {part.dtype for part in parts if part.dtype.kind not in "fiub"}
    if kinds:
      raise InputError("features that are numbers", f"dtype {kinds.pop()}", "give float32 features")
    self._parts: list[Any] = parts
    self._rows: Any = rows
    self.dtype = np.dtype(np.float64 if parts[0].dtype == np.float64 else np.float32)
    self.width = int(parts[0].shape[1])
    self._size = max(256, _BYTES // (self.dtype.itemsize * self.width * factor))

  @property
  def count(self) -> int:
    """N."""
    return sum(self._lengths())

  def __len__(self) -> int:
    """The number of blocks."""
    return sum(-(-length // self._size) for length in self._lengths())

  def __iter__(self) -> Iterator[np.ndarray[Any, Any]]:
    for part, length in zip(self._parts, self._lengths(), strict=True):
      for first in range(0, length, self._size):
        rows: Any = slice(first, first + self._size)
        yield np.asarray(part[rows if self._rows is None else self._rows[rows]], self.dtype)

  def check(self, components: int, seed: int = 0) -> None:
    """Refuses what no mixture can be fitted to.

    Raises:
      InputError: for a number of components or a seed that is none, fewer images than components
        or features that are not finite.
    """
    check_count("component", components)
    check_seed(seed)
    least = max(components, 2)
    if self.count < least:
      raise InputError(
        f"at least {least} images of a class for {components} components",
        f"{self.count}",
        "give more images or lower --components",
      )
    if not all(np.isfinite([block.min(), block.max()]).all() for block in self):
      raise InputError("finite features", "NaN or infinity", "check the model and its images")

  def sample(self, seed: int) -> np.ndarray[Any, Any]:
    """All rows or, of many, some drawn at random."""
    if self.count <= _SAMPLE:
      return np.concatenate(list(self)) if len(self) > 1 else next(iter(self))
    chosen = np.zeros(self.count, bool)
    chosen[np.random.default_rng(seed).choice(self.count, _SAMPLE, replace=False)] = True
    ends = np.cumsum([0, *map(len, self)])
    return np.concatenate([b[chosen[e : e + len(b)]] for e, b in zip(ends, self, strict=False)])

  def _lengths(self) -> list[int]:
    return [len(self._rows)] if self._rows is not None else [len(part) for part in self._parts]
