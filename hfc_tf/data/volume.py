"""One volume in a file or folder that somebody else made, before its voxels are read."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hfc_tf.errors import InputError

MAX_VOXELS = 2**27  # 512 slices of 512 x 512


@dataclasses.dataclass(frozen=True)
class Volume:
  """What a header tells, checked.

  Args:
    shape: (D, H, W): slices, rows, columns.
    read: reads the voxels, float32 [D, H, W] in the scanner's units; for CT Hounsfield units.
    hounsfield: whether the header says that this is CT.
    bits: of a stored voxel, by the header; None where only the voxels tell.
  """

  shape: tuple[int, int, int]
  read: Callable[[], np.ndarray]
  hounsfield: bool
  bits: int | None = None


def check_size(shape: tuple[int, ...], path: Path) -> None:
  """Raises InputError for empty volumes and for those of more than MAX_VOXELS."""
  sides = [int(side) for side in shape]  # Python's integers: NumPy's would wrap around
  if len(sides) != 3 or min(sides) < 1:
    raise InputError("a volume of three axes", f"{sides} in {path}", "convert it")
  if math.prod(sides) > MAX_VOXELS:
    expected = f"a volume of at most 2**27 ({MAX_VOXELS}) voxels"
    raise InputError(expected, f"{math.prod(sides)} in {path}", "scale it down")


def check_finite(values: np.ndarray, path: Path) -> np.ndarray:
  """Returns the voxels; raises InputError for NaN and infinity."""
  if not np.isfinite(values).all():
    raise InputError("finite voxels", f"NaN or infinity in {path}", "repair or remove the file")
  return values
