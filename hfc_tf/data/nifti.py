"""NIfTI files (.nii, .nii.gz), read through nibabel's headers and never trusted.

Extensions are skipped unread: they may hold anything, compressed DICOM included.
"""

import gzip
from functools import partial
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np

from hfc_tf.data.volume import Volume, check_finite, check_size, package, unreadable
from hfc_tf.errors import InputError

SUFFIXES = (".nii", ".nii.gz")
_KIND = "NIfTI file (.nii, .nii.gz)"
_MAX_OFFSET = 2**24  # bytes of header and extensions before the voxels


def look(path: Path) -> Volume:
  """Reads the header of a file with one volume.

  Axes are turned so that slices go from the feet to the head, rows from front to back and columns
  from the patient's right to the left, as axial CT slices are stored. Slope and intercept are
  applied.

  Raises:
    InputError: the file is damaged, no NIfTI, too large, or holds no single volume of numbers.
  """
  try:
    with _open(path) as file:
      header = _header(file, path)
    # The orientation, tried on an array that needs no memory.
    shape = _oriented(np.broadcast_to(np.uint8(0), header.get_data_shape()), header).shape
  except InputError:
    raise
  except Exception as error:  # nibabel and gzip raise whatever a damaged file makes them stumble on
    raise unreadable(_KIND, path, error) from None
  return Volume((shape[0], shape[1], shape[2]), partial(_read, path), hounsfield=False)


def _read(path: Path) -> np.ndarray:
  """float32 [D, H, W]."""
  try:
    with _open(path) as file:
      header = _header(file, path)
      file.seek(header.get_data_offset())
      dtype, shape = header.get_data_dtype(), header.get_data_shape()
      size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
      data = file.read(size)  # bounded, however much a bomb would unpack to
    if len(data) < size:
      raise EOFError(f"truncated, {len(data)} of {size} bytes of voxels")
    raw = np.frombuffer(data, dtype).reshape(shape, order="F")  # [X, Y, Z, 1...]
    slope, intercept = header.get_slope_inter()
    scaled = raw
    if slope is not None:
      scaled = package("nibabel.volumeutils").apply_read_scaling(raw, slope, intercept)
    with np.errstate(over="ignore"):  # too large for float32: not finite, which is said below
      values = _oriented(scaled, header).astype(np.float32)
    return check_finite(values, path)
  except InputError:
    raise
  except Exception as error:
    raise unreadable(_KIND, path, error) from None


def _open(path: Path) -> BufferedIOBase:
  return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")


def _header(file: BufferedIOBase, path: Path) -> Any:
  """A nibabel header of what the first bytes say, checked."""
  nibabel = package("nibabel")
  block = file.read(540)
  kinds = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
  lengths = [int.from_bytes(block[:4], order) for order in ("little", "big")]
  kind = next((kinds[length] for length in lengths if length in kinds), None)
  if kind is None:
    raise ValueError("no NIfTI header")
  header = kind(block[: kind.sizeof_hdr], check=False)
  if not bytes(header["magic"].item()).startswith(b"n+"):
    raise ValueError("no NIfTI of one file")
  shape = header.get_data_shape()
  if any(side != 1 for side in shape[3:]):
    raise InputError(
      "one volume in a file", f"{[int(side) for side in shape]} in {path}", "save each volume alone"
    )
  check_size(shape[:3], path)
  dtype = header.get_data_dtype()
  if dtype.kind not in "iuf" or dtype.itemsize > 8:
    raise InputError("voxels that are plain numbers", f"{dtype} in {path}", "convert them")
  if not kind.sizeof_hdr <= header.get_data_offset() <= _MAX_OFFSET:
    raise ValueError(f"voxels said to begin at byte {header.get_data_offset()}")
  return header


def _oriented(array: np.ndarray, header: Any) -> np.ndarray:
  """[X, Y, Z, 1...] as stored -> [D, H, W], a view."""
  orientations = package("nibabel.orientations")
  stored = orientations.io_orientation(header.get_best_affine())
  wanted = orientations.axcodes2ornt(("L", "P", "S"))
  turn = orientations.ornt_transform(stored, wanted)
  turned: np.ndarray = orientations.apply_orientation(array.reshape(array.shape[:3]), turn)
  return turned.T
