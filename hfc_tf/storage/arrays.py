"""Named arrays as npz: written whole, read without pickle, damage noticed."""

from __future__ import annotations

import math
import os
import pathlib
import tempfile
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from hfc_tf.errors import InputError
from hfc_tf.storage.files import write_files
from hfc_tf.storage.hashing import digest

Arrays = dict[str, np.ndarray[Any, Any]]
_CHECKSUM = "checksum"


class DamagedFile(ValueError):
  """A file that is not as it was written."""


def save_arrays(
  path: str | os.PathLike[str], arrays: Mapping[str, Any], checksum: bool = False
) -> None:
  """Writes named arrays as one npz; an earlier one is left as it was where that fails.

  A zip has a checksum of each array's bytes; `checksum` adds one of all names, shapes and types.
  """
  place = pathlib.Path(path)
  if checksum:
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    arrays = {**arrays, _CHECKSUM: digest(arrays)}
  write_files(place.parent, {place.name: lambda file: np.savez(file, **arrays)})


def load_arrays(path: str | os.PathLike[str], checksum: bool = False) -> Arrays:
  """Reads what `save_arrays` wrote with the same `checksum`; objects are never unpickled.

  Raises:
    DamagedFile: it is not as it was written. FileNotFoundError: there is none.
  """
  try:
    with np.load(path, allow_pickle=False) as file:
      if any(member.compress_type != zipfile.ZIP_STORED for member in file.zip.infolist()):
        raise ValueError("it is compressed, as hfc_tf writes none")  # and unpacks to any size
      arrays = {name: file[name] for name in file.files}
    if checksum and str(arrays.pop(_CHECKSUM, "")) != digest(arrays):
      raise ValueError("no checksum or a wrong one: it is damaged, or not of this version")
    return arrays
  except FileNotFoundError:
    raise
  except Exception as error:  # zipfile, zlib, numpy and its parser raise many kinds
    raise DamagedFile(f"{path}: {type(error).__name__}: {str(error)[:200]}") from error


def users_arrays(path: str | os.PathLike[str], expected: str, remedy: str) -> Arrays:
  """`load_arrays`, of a file that the user names: an InputError where it is missing or damaged."""
  try:
    return load_arrays(path, checksum=True)
  except (DamagedFile, FileNotFoundError) as error:
    reason = str(error) if isinstance(error, DamagedFile) else f"no file at {path}"
    raise InputError(expected, reason, remedy) from error


def mapped_array(folder: pathlib.Path, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
  """Float32 of that shape in a file that has no name and goes with the array."""
  with tempfile.TemporaryFile(dir=folder) as file:
    if hasattr(os, "posix_fallocate"):  # a full disk is told now, not by a signal later
      os.posix_fallocate(file.fileno(), 0, 4 * math.prod(shape))
    return np.memmap(file, np.float32, "w+", shape=shape)
