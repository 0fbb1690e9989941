"""Arrays inside an npz file, read block by block: none is ever whole in memory."""

from __future__ import annotations

import dataclasses
import math
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hfc_tf.data.files import readable, require_folder, visible
from hfc_tf.errors import InputError

MAX_BYTES = 2**33
_BLOCK = 2**26  # bytes that are read at once
_MAX_LABELS = 2**28  # bytes of an array that is read whole
CHANNELS = (1, 3, 4)
_EXPECTED, _REMEDY = "an intact npz file", "write or fetch it again"


@dataclasses.dataclass(frozen=True)
class StoredArray:
  """One array of an npz file: what its header says, and its values when they are asked for.

  Args:
    path: of the npz file. name: of the array.
    shape, dtype: as its header declares, checked against the member's size.
    fortran: whether the first axis varies fastest in the file.
  """

  path: Path
  name: str
  shape: tuple[int, ...]
  dtype: np.dtype[Any]
  fortran: bool = False

  def blocks(self) -> Iterator[np.ndarray]:
    """All rows in order, [n, ...] at a time.

    Raises:
      InputError: the file is damaged, or its layout allows no blocks and it is too large.
    """
    if self.dtype.hasobject:
      found = f"an object array, `{self.name}` of {self.path}"
      raise InputError("numbers or strings", found, "save it with a plain dtype")
    with (
      readable(_EXPECTED, self.path, _REMEDY),
      zipfile.ZipFile(self.path) as archive,
      archive.open(_member(archive, self.name)) as file,
    ):
      _read_header(file)
      row = math.prod(self.shape[1:]) * self.dtype.itemsize
      if not row or 0 in self.shape:
        yield np.zeros(self.shape, self.dtype)
        return
      step = max(1, _BLOCK // row)
      if self.fortran and self.shape:
        if self.shape[0] * row > 2**30:
          found = f"`{self.name}` of {self.path} in Fortran's, {self.shape[0] * row >> 30} GiB"
          raise InputError("an array in C's order", found, "save np.ascontiguousarray of it")
        step = self.shape[0]
      for start in range(0, self.shape[0] if self.shape else 1, step):
        count = min(step, self.shape[0] - start) if self.shape else 1
        data = file.read(count * row)
        if len(data) < count * row:
          raise ValueError(f"`{self.name}` ends early")
        flat = np.frombuffer(data, self.dtype)
        shape = (count, *self.shape[1:]) if self.shape else ()
        block = flat.reshape(shape, order="F" if self.fortran else "C")
        yield block.astype(block.dtype.newbyteorder("="), copy=False)
      if file.read(1):  # at its end the archive's checksum is compared
        raise ValueError(f"`{self.name}` is longer than it declares")

  def whole(self) -> np.ndarray:
    """All values, of an array as small as labels are."""
    if math.prod(self.shape) * self.dtype.itemsize > _MAX_LABELS:
      found = f"{self.dtype} {list(self.shape)} in {self.path}"
      raise InputError(f"a smaller array `{self.name}`", found, "leave the array out")
    blocks = list(self.blocks())
    return np.concatenate(blocks) if self.shape and blocks else np.zeros(self.shape, self.dtype)


def stored_arrays(path: Path) -> dict[str, StoredArray]:
  """The arrays of an npz file by name, by their headers alone.

  Raises:
    InputError: no npz file, a damaged one, one that unpacks to more than MAX_BYTES.
  """
  arrays = {}
  with readable("an npz file at --data_dir", path), zipfile.ZipFile(path) as archive:
    declared = sum(member.file_size for member in archive.infolist())
    if declared > MAX_BYTES:
      expected = f"an npz file of at most {MAX_BYTES >> 30} GiB unpacked"
      found = f"{declared / 2**30:.1f} GiB in {path}"
      raise InputError(expected, found, "use fewer images or a folder per class")
    for member in archive.infolist():
      if not member.filename.endswith(".npy"):
        continue
      name = member.filename.removesuffix(".npy")
      with readable(_EXPECTED, path, _REMEDY), archive.open(member) as file:
        shape, fortran, dtype = _read_header(file)
        size = 0 if dtype.hasobject else math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or size > member.file_size:
          found = f"{dtype} {list(shape)} declared in {member.file_size} bytes, `{name}` of {path}"
          raise InputError("an array as large as it declares", found, "write the file again")
        arrays[name] = StoredArray(path, name, shape, dtype, fortran)
  return arrays


def npz_file(data_dir: Path) -> Path:
  """The npz file that --data_dir names, or the only one in it."""
  if data_dir.is_file():
    return data_dir
  require_folder(data_dir, "one npz file")
  files = [file for file in visible(data_dir) if file.suffix == ".npz"]
  if len(files) != 1:
    raise InputError(f"one npz file in {data_dir}", str(len(files)), "give the file's own path")
  return files[0]


def image_arrays(stored: Mapping[str, StoredArray], path: Path) -> dict[str, StoredArray]:
  """`images`, or MedMNIST's sets of them, by what stands before their name."""
  sets = [f"{name}_" for name in ("train", "val", "test") if f"{name}_images" in stored]
  prefixes = [""] if "images" in stored else sets
  if not prefixes:
    found = f"{', '.join(sorted(stored)) or 'none'} in {path}"
    raise InputError("arrays `images` and `labels`, or MedMNIST's", found, "rename the arrays")
  return {prefix: stored[f"{prefix}images"] for prefix in prefixes}


def first_images(data_dir: Path) -> StoredArray:
  """What the header says of the images of the npz file that --data_dir names."""
  path = npz_file(data_dir)
  return next(iter(image_arrays(stored_arrays(path), path).values()))


def channels_first(shape: tuple[int, ...]) -> bool:
  """Whether images [N, C, (D,) H, W] have their channels, 1, 3 or 4, before the plane."""
  return len(shape) in (4, 5) and shape[-1] not in CHANNELS and shape[1] in CHANNELS


def is_volume(shape: tuple[int, ...]) -> bool:
  """Whether an array of images [N, ...] holds volumes."""
  return len(shape) == 5 or (
    len(shape) == 4 and shape[-1] not in CHANNELS and not channels_first(shape)
  )


def _member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
  return archive.getinfo(f"{name}.npy")


def _read_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
  first = np.lib.format.read_magic(file) == (1, 0)
  read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
  header: tuple[tuple[int, ...], bool, np.dtype[Any]] = read(file)
  return header
