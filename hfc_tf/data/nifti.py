"""NIfTI files (.nii, .nii.gz), read through nibabel's headers and never trusted.

Extensions are skipped unread: they may hold anything, compressed DICOM included.
"""

import contextlib
import gzip
from collections.abc import Iterator
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np

from hfc_tf.data.files import package, readable
from hfc_tf.data.volume import Volume, check_finite, check_size
from hfc_tf.errors import InputError

SUFFIXES = (".nii", ".nii.gz")
_MAX_OFFSET = 2**24  # bytes of header and extensions before the voxels


def look(path: Path) -> Volume:
  """Reads the header of a file with one volume.

  Axes are turned so that slices go from the feet to the head, rows from front to back and columns
  from the patient's right to the left, as axial CT slices are stored. Slope and intercept are
  applied.

  Raises:
    InputError: the file is damaged, no NIfTI, too large, or holds no single volume of numbers.
  """
  with _opened(path) as (_, header):
    # The orientation, tried on an array that needs no memory.
    depth, height, width = _oriented(np.broadcast_to(0, header.get_data_shape()), header).shape
  return Volume((depth, height, width), partial(_read, path), hounsfield=False)


def _read(path: Path) -> np.ndarray:
  """float32 [D, H, W]."""
  with _opened(path) as (file, header):
    file.seek(header.get_data_offset())
    dtype, shape = header.get_data_dtype(), header.get_data_shape()
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    data = file.read(size)  # bounded, however much a bomb would unpack to
    if len(data) < size:
      raise EOFError(f"truncated, {len(data)} of {size} bytes of voxels")
    for _ in range(_MAX_OFFSET >> 20):  # to the end, where gzip has its checksum
      if not file.read(2**20):
        break
    else:
      raise ValueError(f"more than {_MAX_OFFSET >> 20} MiB behind its voxels")
    voxels = np.frombuffer(data, dtype).reshape(shape, order="F")  # [X, Y, Z, 1...]
    slope, intercept = header.get_slope_inter()
    if slope is not None:
      scaling = package("nibabel.volumeutils", "volumes").apply_read_scaling
      voxels = scaling(voxels, slope, intercept)
    with np.errstate(over="ignore"):  # too large for float32: not finite, which is said below
      return check_finite(_oriented(voxels, header).astype(np.float32), path)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[BufferedIOBase, Any]]:
  """The unpacked file and a nibabel header of what its first bytes say, checked."""
  nibabel = package("nibabel", "volumes")
  unpacked = gzip.open if path.name.lower().endswith(".gz") else open
  with readable("a readable NIfTI file (.nii, .nii.gz)", path), unpacked(path, "rb") as file:
    block = file.read(540)
    kinds = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
    lengths = [int.from_bytes(block[:4], order) for order in ("little", "big")]
    kind = next((kinds[length] for length in lengths if length in kinds), None)
    if kind is None:
      raise ValueError("no NIfTI header")
    header = kind(block[: kind.sizeof_hdr], check=False)
    if not bytes(header["magic"].item()).startswith(b"n+"):
      raise ValueError("no NIfTI of one file")
    shape, dtype = header.get_data_shape(), header.get_data_dtype()
    if any(side != 1 for side in shape[3:]):
      sides = [int(side) for side in shape]
      raise InputError("one volume in a file", f"{sides} in {path}", "save each volume alone")
    check_size(shape[:3], path)
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
      raise InputError("voxels that are plain numbers", f"{dtype} in {path}", "convert them")
    if not kind.sizeof_hdr <= header.get_data_offset() <= _MAX_OFFSET:
      raise ValueError(f"voxels said to begin at byte {header.get_data_offset()}")
    yield file, header


def _oriented(array: np.ndarray, header: Any) -> np.ndarray:
  """[X, Y, Z, 1...] as stored -> [D, H, W], a view."""
  orientations = package("nibabel.orientations", "volumes")
  stored = orientations.io_orientation(header.get_best_affine())
  turn = orientations.ornt_transform(stored, orientations.axcodes2ornt(("L", "P", "S")))
  turned: np.ndarray = orientations.apply_orientation(array.reshape(array.shape[:3]), turn)
  return turned.T
