"""NIfTI files (.nii, .nii.gz, .hdr with .img), read with nibabel's headers and never trusted.

Extensions are skipped unread: they may hold anything, compressed DICOM included.
"""

import contextlib
import gzip
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from absl import logging

from hfc_tf.data.files import package, readable
from hfc_tf.data.volume import Volume, check_finite, check_size, oriented, oriented_shape
from hfc_tf.errors import InputError

_SINGLE, _HEADERS = (".nii", ".nii.gz"), (".hdr", ".hdr.gz")
_MAX_EXTRA = 2**24  # bytes before the voxels, and after them
_SLAB = 2**20  # voxels
_KIND = "a readable NIfTI file (.nii, .nii.gz, .hdr with .img)"


def files(path: Path) -> list[Path]:
  """What a volume consists of: a .nii, or a .hdr and its .img; nothing for other files."""
  name = path.name.lower()
  if name.endswith(_HEADERS):
    stem = path.name[: name.rindex(".hdr")]
    names = [stem + suffix for suffix in (".img", ".img.gz", ".IMG", ".IMG.GZ")]
    images = [path.with_name(name) for name in names if path.with_name(name).is_file()]
    return [path, *images[:1]]
  return [path] if name.endswith(_SINGLE) else []


def look(path: Path) -> Volume:
  """Reads the header of a file with one volume.

  The axes are turned by the sform, or the qform where there is none. Slope and intercept are
  applied.

  Raises:
    InputError: the file is damaged, no NIfTI, too large, or holds no single volume of numbers.
  """
  with readable(_KIND, path):
    header = _header(path)
    if header["sform_code"] <= 0 and header["qform_code"] <= 0:
      logging.warning("%s: neither sform nor qform, axes taken as nibabel does", path)
    elif header["sform_code"] > 0 and header["qform_code"] > 0:
      _compare(header, path)
    shape = oriented_shape(header.get_data_shape()[:3], header.get_best_affine())
    bits = 8 if header.get_data_dtype().itemsize == 1 else None
  return Volume(path, partial(_read, path), shape, bits=bits)


def _read(path: Path) -> np.ndarray:
  """float32 [D, H, W], read piece by piece to the very end, where gzip keeps its checksum."""
  with readable(_KIND, path), np.errstate(over="ignore", invalid="ignore"):
    header, image = _header(path), files(path)[-1]
    slope, intercept = header.get_slope_inter()
    dtype, sides = header.get_data_dtype(), header.get_data_shape()[:3]
    values = np.empty(sides[::-1], np.float32)  # [Z, Y, X]
    with _opened(image) as file:
      _skip(file, header.get_data_offset())
      for start in range(0, values.size, _SLAB):
        slab = values.reshape(-1)[start : start + _SLAB]
        data = file.read(slab.size * dtype.itemsize)
        if len(data) < slab.size * dtype.itemsize:
          raise EOFError("truncated, fewer voxels than its header says")
        voxels = np.frombuffer(data, dtype)
        slab[:] = voxels if slope is None else voxels.astype(np.float64) * slope + intercept
        check_finite(slab, path)
      if _skip(file, _MAX_EXTRA + 1) > _MAX_EXTRA:
        raise ValueError("more than its header says")
    return oriented(values.T, header.get_best_affine())


def _compare(header: Any, path: Path) -> None:
  """Warns where sform and qform name other axes."""
  axes = package("nibabel.orientations", "volumes").aff2axcodes
  with contextlib.suppress(Exception):  # a qform that is none: the sform is taken
    codes = ["".join(axes(affine)) for affine in (header.get_sform(), header.get_qform())]
    if codes[0] != codes[1]:
      logging.warning("%s: sform says %s, qform %s; the sform is taken", path, *codes)


def _header(path: Path) -> Any:
  """A nibabel header of what the first bytes say, checked."""
  nibabel = package("nibabel", "volumes")
  with _opened(path) as file:
    block = file.read(540)
  kinds = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
  lengths = [int.from_bytes(block[:4], order) for order in ("little", "big")]
  kind = next((kinds[length] for length in lengths if length in kinds), None)
  if kind is None:
    raise ValueError("no NIfTI header")
  header = kind(block[: kind.sizeof_hdr], check=False)
  single = path.name.lower().endswith(_SINGLE)
  if not bytes(header["magic"].item()).startswith(b"n+" if single else b"ni"):
    raise ValueError("no NIfTI of one file" if single else "no NIfTI of two files")
  if not single and len(files(path)) < 2:
    raise ValueError("no .img beside it")
  shape, dtype = header.get_data_shape(), header.get_data_dtype()
  if any(side != 1 for side in shape[3:]):
    sides = [int(side) for side in shape]
    raise InputError("one volume in a file", f"{sides} in {path}", "save each volume alone")
  check_size(shape[:3], path)
  if dtype.kind not in "iuf" or dtype.itemsize > 8:
    raise InputError("voxels that are plain numbers", f"{dtype} in {path}", "convert them")
  if not (kind.sizeof_hdr if single else 0) <= header.get_data_offset() <= _MAX_EXTRA:
    raise ValueError(f"voxels said to begin at byte {header.get_data_offset()}")
  return header


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
  unpacked: Any = gzip.open if path.name.lower().endswith(".gz") else open
  with unpacked(path, "rb") as file:
    yield file


def _skip(file: IO[bytes], size: int) -> int:
  """Reads up to `size` bytes, a little at a time, and returns how many there were."""
  before = size
  while size and (data := file.read(min(size, 2**20))):
    size -= len(data)
  return before - size
