"""One volume in files that somebody else made, before its voxels are read."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hfc_tf.data.files import package
from hfc_tf.errors import InputError

MAX_VOXELS = 2**27  # 512 slices of 512 x 512
_MAX_SIDE = 2**15


@dataclasses.dataclass(frozen=True)
class Volume:
  """What a header tells, checked.

  Args:
    path: the file or the folder, for messages.
    read: reads the voxels, float32 [D, H, W] in the scanner's units, for CT Hounsfield units; NaN
      is padding. D goes from the feet to the head, H from front to back and W from the patient's
      right to the left, as axial CT slices are stored.
    shape: (D, H, W).
    hounsfield: whether the header says that this is CT; None where it says nothing.
    bits: 8 where the header says that a voxel has no more; None where the voxels tell.
    inverted: whether small values are bright.
  """

  path: Path
  read: Callable[[], np.ndarray]
  shape: tuple[int, ...]
  hounsfield: bool | None = None
  bits: int | None = None
  inverted: bool = False


def check_size(shape: tuple[int, ...], path: Path) -> None:
  """Raises InputError for empty volumes, those of more than MAX_VOXELS and very long ones."""
  sides = [int(side) for side in shape]  # Python's integers: NumPy's would wrap around
  if len(sides) != 3 or min(sides) < 1:
    raise InputError("a volume of three axes", f"{sides} in {path}", "convert it")
  if max(sides) > _MAX_SIDE and math.prod(sides) <= MAX_VOXELS:
    raise InputError(f"sides of at most {_MAX_SIDE} voxels", f"{sides} in {path}", "cut it")
  if math.prod(sides) > MAX_VOXELS:
    expected = f"a volume of at most 2**27 ({MAX_VOXELS}) voxels"
    raise InputError(expected, f"{math.prod(sides)} in {path}", "scale it down")


def check_finite(values: np.ndarray, path: Path) -> np.ndarray:
  """Returns the voxels, NaN being padding; raises InputError for infinity."""
  if np.isinf(values).any():
    raise InputError("finite voxels", f"infinity in {path}", "repair or remove the file")
  return values


def oriented(array: np.ndarray, affine: np.ndarray) -> np.ndarray:
  """[X, Y, Z] as stored -> [D, H, W], a view.

  `affine` [4, 4] leads from indices to mm to the patient's right, front and head, as NIfTI's. What
  is one voxel thick lies as one slice, whichever its plane, with the head up.
  """
  orientations = package("nibabel.orientations", "volumes")
  stored = orientations.io_orientation(affine)
  turn = orientations.ornt_transform(stored, orientations.axcodes2ornt(("L", "P", "S")))
  turned: np.ndarray = orientations.apply_orientation(array, turn).T
  if turned.shape[0] > 1 and 1 in turned.shape:
    turned = np.moveaxis(turned, turned.shape.index(1), 0)[:, ::-1]
  return turned


def oriented_shape(sides: tuple[int, ...], affine: np.ndarray) -> tuple[int, ...]:
  """The shape of `oriented`, found with an array that needs no memory."""
  return oriented(np.broadcast_to(0, sides), affine).shape
