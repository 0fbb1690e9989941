"""One volume in a file or folder that somebody else made, before its voxels are read."""

import dataclasses
import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

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
  """

  shape: tuple[int, int, int]
  read: Callable[[], np.ndarray]
  hounsfield: bool


def check_size(shape: tuple[int, ...], path: Path) -> None:
  """Raises InputError for empty volumes and for those of more than MAX_VOXELS."""
  voxels = 1
  for side in shape:  # Python's integers: numpy's would wrap around
    voxels *= int(side)
  if len(shape) != 3 or min(shape) < 1:
    raise InputError("a volume of three axes", f"{list(map(int, shape))} in {path}", "convert it")
  if voxels > MAX_VOXELS:
    raise InputError(
      f"a volume of at most 2**27 ({MAX_VOXELS}) voxels", f"{voxels} in {path}", "scale it down"
    )


def check_finite(values: np.ndarray, path: Path) -> np.ndarray:
  """Returns the voxels; raises InputError for NaN and infinity."""
  if not np.isfinite(values).all():
    raise InputError("finite voxels", f"NaN or infinity in {path}", "repair or remove the file")
  return values


def unreadable(kind: str, path: Path, error: Exception) -> InputError:
  """The line for a file that its reader stumbles over."""
  reason = "zero bytes long" if path.is_file() and not path.stat().st_size else str(error)
  return InputError(
    f"a readable {kind}",
    f"{path}: {reason[:200] or type(error).__name__}",
    "replace or remove the file",
  )


def package(name: str) -> ModuleType:
  """Imports an optional package, or says in one line how to install it."""
  try:
    return importlib.import_module(name)
  except ImportError as error:
    raise InputError(
      f"the package {name.split('.')[0]}",
      str(error),
      "install the extra: pip install 'hfc_tf[volumes]'",
    ) from None
