"""Arrays of npz files, never trusted: their headers alone, or rows in blocks; no TensorFlow."""

import contextlib
import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from hfc_tf.data.files import readable, require_folder, visible
from hfc_tf.errors import InputError

MAX_BYTES = 2**35  # unpacked, of which only blocks are in memory at a time
_MAX_TABLE = 2**28  # bytes of labels and the like, and of one image or volume
_MAX_VALUES = 2**27  # of one image or volume
_BLOCK = 2**24  # bytes that are read at once
_CHANNELS = (1, 3, 4)


class Stored(NamedTuple):
  """An array in an npz file, of which the header is read and checked."""

  path: Path
  name: str
  shape: tuple[int, ...]
  dtype: np.dtype
  fortran: bool

  def __str__(self) -> str:
    return f"{self.dtype} {list(self.shape)} in {self.path}"

  def rows(self) -> Iterator[np.ndarray]:
    """Blocks [b, ...] of a C-ordered array, in order; damage may be noticed after the last one."""
    row = math.prod(self.shape[1:])
    size = row * self.dtype.itemsize
    if self.fortran and len(self.shape) > 1:
      yield self.table()
      return
    if size > _MAX_TABLE or row > _MAX_VALUES:
      expected = f"images of at most 2**27 values and {_MAX_TABLE >> 20} MiB each"
      raise InputError(expected, str(self), "scale them down")
    step = max(1, _BLOCK // max(size, 1))
    with _member(self.path, self.name) as (_, file):
      for start in range(0, self.shape[0], step):
        count = min(step, self.shape[0] - start)
        yield _exactly(file, count * size).view(self.dtype).reshape(count, *self.shape[1:])
      while file.read(2**20):  # to the end, where its checksum is compared
        pass

  def table(self) -> np.ndarray:
    """The whole of a small array."""
    if math.prod(self.shape) * self.dtype.itemsize > _MAX_TABLE:
      expected = f"`{self.name}` of at most {_MAX_TABLE >> 20} MiB, or in C order"
      raise InputError(expected, str(self), "save it so (numpy.ascontiguousarray)")
    with _member(self.path, self.name) as (_, file):
      values = _exactly(file, math.prod(self.shape) * self.dtype.itemsize).view(self.dtype)
      while file.read(2**20):
        pass
    return values.reshape(self.shape, order="F" if self.fortran else "C")


def find(data_dir: Path) -> Path:
  """The npz file that is given, or the only one in the folder that is."""
  if data_dir.is_file():
    return data_dir
  require_folder(data_dir, "one npz file")
  files = [file for file in visible(data_dir) if file.suffix.lower() == ".npz"]
  if len(files) != 1:
    raise InputError(f"one npz file in {data_dir}", str(len(files)), "give the file's own path")
  return files[0]


def names(path: Path) -> set[str]:
  """The names of the arrays in an npz file."""
  with readable("an npz file at --data_dir", path), zipfile.ZipFile(path) as archive:
    declared = sum(member.file_size for member in archive.infolist())
    if declared > MAX_BYTES:
      expected = f"an npz file of at most {MAX_BYTES >> 30} GiB unpacked"
      size = f"{declared / 2**30:.1f} GiB in {path}"
      raise InputError(expected, size, "use fewer images or a folder per class")
    return {name.removesuffix(".npy") for name in archive.namelist()}


def stored(path: Path, name: str) -> Stored:
  """Reads the header of an array, which must hold no objects and be as large as it declares."""
  if name not in names(path):
    raise InputError(f"an array `{name}` in {path}", "none", "add it to the file")
  with _member(path, name) as (array, _):
    return array


def prefixes(path: Path) -> list[str]:
  """Before `images` and `labels` in the names of an npz file: nothing, or MedMNIST's three."""
  there = names(path)
  if "images" in there:
    return [""]
  medmnist = [f"{name}_" for name in ("train", "val", "test") if f"{name}_images" in there]
  if not medmnist:
    actual = f"{', '.join(sorted(there)) or 'none'} in {path}"
    raise InputError("arrays `images` and `labels`, or MedMNIST's", actual, "rename the arrays")
  return medmnist


def volumetric(data_dir: Path) -> bool:
  """Whether the images of an npz file are volumes, by their header."""
  path = find(data_dir)
  images = stored(path, f"{prefixes(path)[0]}images")
  return len(layout(images.shape, str(images))[0]) == 5


def layout(
  shape: tuple[int, ...], where: str, depth: int | None = None
) -> tuple[tuple[int, ...], Callable[[np.ndarray], np.ndarray], str]:
  """How an array of images is read: [N, H, W], [N, D, H, W], or with C 1, 3 or 4 last or second.

  Four axes of which the last is 1, 3 or 4 are [N, H, W, C], of which the second is 1 or 3
  [N, C, H, W], unless a `depth` is asked for. Alpha is dropped.

  Returns:
    The shape [N, (D,) H, W, C], what brings a block of rows into it, and the name of the axes.
  """
  rank, axes, last = len(shape), "", 0
  if rank == 3:
    axes = "[N, H, W]"
  elif rank in (4, 5) and shape[-1] in _CHANNELS:
    axes, last = f"[N, {'D, ' * (rank - 4)}H, W, C]", -1
  elif rank in (4, 5) and shape[1] in (1, 3) and not (rank == 4 and depth):
    axes, last = f"[N, C, {'D, ' * (rank - 4)}H, W]", 1
  elif rank == 4 and shape[-1] > 4 and (depth or shape[1] not in (2, 4)):
    axes = "[N, D, H, W]"
  if not axes or 0 in shape:
    expected = "images [N, (D,) H, W] or [N, (D,) H, W, C] with C 1, 3 or 4"
    raise InputError(expected, where, "rewrite the array")

  def arranged(block: np.ndarray) -> np.ndarray:
    return (np.moveaxis(block, last, -1) if last else block[..., None])[..., :3]

  if depth and "D" not in axes:
    expected = "volumes [N, D, H, W] or [N, D, H, W, C], for --depth"
    raise InputError(expected, f"{axes}, {where}", "leave it out")
  return arranged(np.broadcast_to(0, shape)).shape, arranged, axes


@contextlib.contextmanager
def _member(path: Path, name: str) -> Iterator[tuple[Stored, IO[bytes]]]:
  """An array, and its file behind the header; whatever is damaged there becomes one line."""
  expected = "an intact npz file"
  with readable(expected, path, "write or fetch it again"), zipfile.ZipFile(path) as archive:
    there = archive.namelist()
    member = archive.getinfo(f"{name}.npy" if f"{name}.npy" in there else name)
    with archive.open(member) as file:
      first = np.lib.format.read_magic(file) == (1, 0)
      read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
      shape, fortran, dtype = read(file)
      where = f"`{name}` of {path}"
      if dtype.hasobject:
        actual = f"an object array, {where}"
        raise InputError("numbers or strings", actual, "save it with a plain dtype")
      if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > member.file_size:
        actual = f"{dtype} {list(shape)} declared in {member.file_size} bytes, {where}"
        raise InputError("an array as large as it declares", actual, "write the file again")
      yield Stored(path, name, shape, dtype, fortran), file


def _exactly(file: IO[bytes], size: int) -> np.ndarray:
  """The next bytes of a file, without a second copy in memory: uint8 [size]."""
  values, place = np.empty(size, np.uint8), 0
  while place < size:
    data = file.read(min(size - place, 2**20))
    if not data:
      raise EOFError(f"cut off after {place} of {size} bytes")
    values[place : place + len(data)] = np.frombuffer(data, np.uint8)
    place += len(data)
  return values
