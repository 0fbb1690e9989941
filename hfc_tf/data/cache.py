"""Decoded images kept in a folder: named by the files they come from, checksummed, never half."""

import hashlib
import io
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from hfc_tf.errors import InputError


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
    pixels = _open_entry(entry)
    return _write_entry(entry, *decoded()) if pixels is None else pixels
  shape, images = decoded()
  pixels = np.empty(shape, np.uint16)
  for index, image in enumerate(images):
    pixels[index] = image
  return pixels


def key(paths: Sequence[Path], made_of: list[Any]) -> str:
  """Names what the result is made of; the files may move together without a new decoding.

  Args:
    paths: the files, known by their names relative to one another, sizes and times.
    made_of: what else decides the result, as json.
  """
  root = os.path.commonpath([path.parent for path in paths]) if paths else ""
  files = [
    (Path(os.path.relpath(path, root)).as_posix(), stat.st_size, stat.st_mtime_ns)
    for path in paths
    for stat in [path.stat()]
  ]
  return hashlib.sha256(json.dumps([*made_of, files]).encode()).hexdigest()[:32]


def _open_entry(entry: Path) -> np.ndarray | None:
  """Opens a finished entry; warns of a damaged one and removes it."""
  if not entry.exists():
    return None
  try:
    expected = json.loads((entry / "pixels.json").read_text())["sha256"]
    with (entry / "pixels.npy").open("rb") as file:
      if hashlib.file_digest(file, "sha256").hexdigest() != expected:
        raise ValueError("its checksum does not match")
    pixels: np.ndarray = np.load(entry / "pixels.npy", mmap_mode="r", allow_pickle=False)
    return pixels
  except (OSError, ValueError, KeyError, TypeError) as error:
    logging.warning("damaged cache %s (%s): decoding again", entry, error)
    shutil.rmtree(entry, ignore_errors=True)
    return None


def _write_entry(entry: Path, shape: tuple[int, ...], images: Iterator[np.ndarray]) -> np.ndarray:
  """Decodes into a folder beside the entry, then renames it into place."""
  partial = None
  try:
    entry.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{entry.name}-", dir=entry.parent))
    header = io.BytesIO()
    layout = {"descr": "<u2", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, layout)
    digest = hashlib.sha256()
    with (partial / "pixels.npy").open("wb") as file:
      # Written piece by piece: a full disk is an error here and a crash in a memory map.
      pieces = (image.tobytes() for image in images)
      for piece in itertools.chain([header.getvalue()], pieces):
        digest.update(piece)
        file.write(piece)
    (partial / "pixels.json").write_text(json.dumps({"sha256": digest.hexdigest()}))
    partial.rename(entry)
    for abandoned in entry.parent.glob(f".{entry.name}-*"):  # left by runs that were killed
      shutil.rmtree(abandoned, ignore_errors=True)
  except OSError as error:
    if not entry.exists():  # else another run was faster
      size = 2 * int(np.prod(shape)) // 2**20 + 1
      raise InputError(
        f"a writable cache folder with {size} MB free",
        f"{entry.parent}: {error.strerror}",
        "choose another output folder or make room",
      ) from None
  finally:
    if partial is not None:
      shutil.rmtree(partial, ignore_errors=True)
  pixels = _open_entry(entry)
  if pixels is None:
    raise InputError(f"an intact cache {entry}", "one damaged just after it was written", "rerun")
  return pixels
