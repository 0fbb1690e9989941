"""Decoded images kept in a folder: named by the content of the files they come from."""

import collections
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from hfc_tf import progress
from hfc_tf.data.files import readable
from hfc_tf.storage.files import disk_errors
from hfc_tf.storage.hashing import digest, file_digests
from hfc_tf.storage.keys import VERSIONS
from hfc_tf.storage.store import keep

MAX_BYTES = 2**33  # of volumes in all
_IN_MEMORY = 2**28  # bytes of images without a cache that are held in memory
Item = TypeVar("Item")
# The shape of all, the images in order, and the bits of their files, asked for when all are read.
Decoded = tuple[tuple[int, ...], Iterator[np.ndarray], Callable[[], int]]


def cached(
  cache: Path | None, files: Sequence[Path], made_of: list[Any], decode: Callable[[], Decoded]
) -> tuple[np.ndarray, int]:
  """Opens what a cache folder holds of these files, or decodes them and keeps it there.

  Without a cache they are decoded every time. `made_of` is what else decides the result, `decode`
  gives its shape, its uint16 images in order and the bits of their files.
  """
  if cache is not None:
    entry = cache / key(files, made_of)
    keep(entry, lambda folder: _write(folder, *decode()), made_from="image files")
    stored: np.ndarray = np.load(entry / "pixels.npy", mmap_mode="r", allow_pickle=False)
    return stored, int((entry / "bits").read_text())
  shape, images, bits = decode()
  if 2 * math.prod(shape) > _IN_MEMORY:  # else in a file without a name
    with tempfile.TemporaryFile() as file, disk_errors(Path(tempfile.gettempdir())):
      file.writelines(image.tobytes() for image in images)
      file.flush()
      return np.memmap(file, np.uint16, "c", shape=shape), bits()
  pixels = np.empty(shape, np.uint16)
  for index, image in enumerate(images):
    pixels[index] = image
  return pixels, bits()


def key(paths: Sequence[Path], made_of: list[Any]) -> str:
  """Hashes the files by relative name and content: they may move together."""
  root = os.path.commonpath([path.parent for path in paths]) if paths else ""
  names = [Path(os.path.relpath(path, root)).as_posix() for path in paths]
  with readable("files that can be read", Path(root)):
    contents = file_digests(paths)
  return digest(VERSIONS["decoded"], made_of, names, contents)


def in_order(
  read: Callable[[Item], np.ndarray], items: Sequence[Item], threads: int | None = None
) -> Iterator[np.ndarray]:
  """`read` of every item, several at a time, but never many ahead of who takes them."""
  threads = threads or os.cpu_count() or 1
  pending: collections.deque[Future[np.ndarray]] = collections.deque()
  with ThreadPoolExecutor(threads) as pool:
    for index, item in enumerate(items):
      pending.append(pool.submit(read, item))
      if len(pending) > 2 * threads:
        yield pending.popleft().result()
      progress.current.report(f"read {index} of {len(items)}")
    while pending:
      yield pending.popleft().result()


def _write(
  folder: Path, shape: tuple[int, ...], images: Iterator[np.ndarray], bits: Callable[[], int]
) -> None:
  layout = {"descr": "<u2", "fortran_order": False, "shape": shape}
  with (folder / "pixels.npy").open("wb") as file:
    np.lib.format.write_array_header_1_0(file, layout)
    # Written piece by piece: a full disk is an error here and a crash in a memory map.
    file.writelines(image.tobytes() for image in images)
  (folder / "bits").write_text(str(bits()))
