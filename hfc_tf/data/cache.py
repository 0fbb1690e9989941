"""Decoded images kept in a folder: named by the content of the files they come from."""

import io
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hfc_tf.errors import InputError
from hfc_tf.storage.hashing import digest, file_digests
from hfc_tf.storage.keys import VERSIONS
from hfc_tf.storage.store import keep


def kept(
  entry: Path | None, decoded: Callable[[], tuple[tuple[int, ...], Iterator[np.ndarray]]]
) -> np.ndarray:
  """Opens what is kept at `entry`, or decodes it and keeps it there.

  Args:
    entry: a folder in the cache, named by `key`; None decodes every time.
    decoded: gives the shape of the whole and its uint16 images in order.

  Returns:
    uint16 of that shape, read-only from the cache.

  Raises:
    InputError: the cache cannot be written, and whatever `decoded` raises.
  """
  if entry is not None:
    keep(entry, lambda folder: _write(folder / "pixels.npy", *decoded()), made_from="image files")
    kept_pixels: np.ndarray = np.load(entry / "pixels.npy", mmap_mode="r", allow_pickle=False)
    return kept_pixels
  shape, images = decoded()
  pixels = np.empty(shape, np.uint16)
  for index, image in enumerate(images):
    pixels[index] = image
  return pixels


def key(paths: Sequence[Path], made_of: list[Any]) -> str:
  """Names what the result is made of; the files may move together without a new decoding.

  Args:
    paths: the files, known by their names relative to one another and their content.
    made_of: what else decides the result.

  Raises:
    InputError: a file cannot be read.
  """
  root = os.path.commonpath([path.parent for path in paths]) if paths else ""
  try:
    contents = file_digests(paths)
  except OSError as error:
    raise InputError(
      "files that can be read", f"{error.filename}: {error.strerror}", "replace or remove the file"
    ) from None
  names = [Path(os.path.relpath(path, root)).as_posix() for path in paths]
  return digest(VERSIONS["decoded"], made_of, names, contents)


def _write(path: Path, shape: tuple[int, ...], images: Iterator[np.ndarray]) -> None:
  header = io.BytesIO()
  layout = {"descr": "<u2", "fortran_order": False, "shape": shape}
  np.lib.format.write_array_header_1_0(header, layout)
  with path.open("wb") as file:
    # Written piece by piece: a full disk is an error here and a crash in a memory map.
    file.writelines(itertools.chain([header.getvalue()], (image.tobytes() for image in images)))
