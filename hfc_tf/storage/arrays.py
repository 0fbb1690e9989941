"""Named arrays as npz: written whole, read without pickle, damage noticed."""

from __future__ import annotations

import math
import os
import pathlib
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from hfc_tf.errors import InputError
from hfc_tf.storage.files import write_files

Arrays = dict[str, np.ndarray[Any, Any]]
# What zipfile and numpy raise on damaged bytes.
_DAMAGE = (
  AttributeError, EOFError, KeyError, NotImplementedError, OSError, OverflowError, RuntimeError,
  TypeError, ValueError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class DamagedFile(ValueError):
  """A file that is not as it was written."""


def save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Any]) -> None:
  """Writes named arrays as one npz; an earlier one is left as it was where that fails."""
  place = pathlib.Path(path)
  write_files(place.parent, {place.name: lambda file: np.savez(file, **arrays)})


def load_arrays(path: str | os.PathLike[str]) -> Arrays:
  """Reads an npz; the zip's own checksums tell a DamagedFile, and objects are never unpickled."""
  try:
    with np.load(path, allow_pickle=False) as file:
      return {name: file[name] for name in file.files}
  except FileNotFoundError:
    raise
  except _DAMAGE as error:
    raise DamagedFile(f"{path}: {type(error).__name__}: {error}") from error


def users_arrays(path: str | os.PathLike[str], expected: str, remedy: str) -> Arrays:
  """`load_arrays` of a file that the user names: an InputError where it is missing or damaged."""
  try:
    return load_arrays(path)
  except (DamagedFile, FileNotFoundError) as error:
    found = str(error) if isinstance(error, DamagedFile) else f"no file at {path}"
    raise InputError(expected, found, remedy) from error


def mapped_array(folder: pathlib.Path, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
  """Float32 of that shape in a file that has no name and goes with the array."""
  with tempfile.TemporaryFile(dir=folder) as file:
    if hasattr(os, "posix_fallocate"):  # a full disk is told now, not by a signal later
      os.posix_fallocate(file.fileno(), 0, 4 * math.prod(shape))
    return np.memmap(file, np.float32, "w+", shape=shape)
