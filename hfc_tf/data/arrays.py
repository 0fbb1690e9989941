"""Arrays in a file: npz, that of MedMNIST among them, and CIFAR-10 (Krizhevsky, 2009)."""

import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import logging

from hfc_tf.data import archive
from hfc_tf.data.cache import MAX_BYTES as MAX_BYTES
from hfc_tf.data.cache import Decoded, cached
from hfc_tf.data.dataset import Listing, widened
from hfc_tf.data.decode import bits_of, resize, tell_range
from hfc_tf.data.files import readable, require_folder
from hfc_tf.errors import InputError

_CIFAR10 = (
  "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_KEYS = ("x_train", "y_train", "x_test", "y_test")
_RECORD = 1 + 3 * 32 * 32  # label, then the planes red, green, blue
_PATIENTS = ("patient", "patients", "patient_id", "subject", "subjects", "group", "groups")
_CACHE_VERSION = 1
_ROUNDING = 1e-6  # floating-point images may end so far outside of [0, 1]


class _Records(NamedTuple):
  """Images of a binary file of CIFAR-10, as `archive.Stored` holds those of an npz file."""

  path: Path
  shape: tuple[int, ...]
  dtype: np.dtype = np.dtype(np.uint8)

  def rows(self) -> Iterator[np.ndarray]:
    """Blocks uint8 [b, 3, 32, 32] in order."""
    records = np.memmap(self.path, np.uint8, "r").reshape(-1, _RECORD)
    for start in range(0, len(records), 4096):
      yield records[start : start + 4096, 1:].reshape(-1, 3, 32, 32)


_Images = archive.Stored | _Records


def npz(data_dir: Path, depth: int | None = None) -> Listing:
  """Reads an npz file, or the only one in a folder.

  `images` is [N, H, W], [N, H, W, C], [N, D, H, W] or [N, D, H, W, C] with C 1, 3 or 4 (alpha is
  dropped), C last or second (see `archive.layout`), as uint8, uint16, bool or floating point in
  [0, 1]; white of uint16 is as in `decode_images`. `labels` is [N] or [N, 1], integers 0 .. K-1, or
  one-hot [N, K]; `patient` [N] groups the images. The three sets of a MedMNIST file are pooled.

  Args:
    data_dir: the file or the folder.
    depth: slices of volumes; None leaves them.

  Raises:
    InputError: the file, its arrays or their values are not as said.
  """
  path = archive.find(data_dir)
  prefixes = archive.prefixes(path)
  images, labels = _pooled(
    [(archive.stored(path, f"{p}images"), archive.stored(path, f"{p}labels")) for p in prefixes],
    depth,
  )
  values = np.unique(labels)
  if values[0] != 0 or values[-1] != len(values) - 1:
    actual = f"{len(values)} different ones from {values[0]} to {values[-1]} in {path}"
    raise InputError("labels 0 to K-1, each in use", actual, "number the classes from 0")
  names = [name for name in _PATIENTS if name in archive.names(path) and prefixes == [""]]
  patient = None
  if names:
    patient = (form := archive.stored(path, names[0])).table()
    if patient.shape != labels.shape or patient.dtype.kind not in "USiu":
      expected = f"`{names[0]}` with {len(labels)} strings or integers"
      raise InputError(expected, str(form), "rewrite the array or leave it out")
  source, rows = "directory" if prefixes == [""] else "medmnist", range(len(labels))
  classes = tuple(f"class {label}" for label in values)
  read = partial(_read, images, depth)
  patients = None if patient is None else patient.__getitem__
  by = f"array {names[0]}" if names else ""
  return Listing(path.stem, source, path, labels, classes, rows, read, patients, grouped_by=by)


def cifar10(data_dir: Path) -> Listing:
  """Reads an npz file with x_train, y_train, x_test, y_test, or data_batch_*.bin; pooled."""
  if not data_dir.is_file():
    require_folder(data_dir, "CIFAR-10 as npz or in its binary version")
  candidates = [data_dir] if data_dir.is_file() else sorted(data_dir.glob("*.npz"))
  zipped = [path for path in candidates if path.suffix == ".npz" or zipfile.is_zipfile(path)]
  archives = [path for path in zipped if set(_KEYS) <= archive.names(path)]
  batches = [data_dir] if data_dir.is_file() and data_dir.suffix == ".bin" else [
    path
    for place in (data_dir, data_dir / "cifar-10-batches-bin")
    for pattern in ("data_batch_*.bin", "test_batch.bin")
    for path in sorted(place.glob(pattern))
  ]  # fmt: skip
  if archives:
    stored = [archive.stored(archives[0], key) for key in _KEYS]
    images, labels = _pooled([(stored[0], stored[1]), (stored[2], stored[3])])
  elif batches:
    images, labels = _pooled([_batch(path) for path in batches])
  else:
    expected = f"an npz file with {', '.join(_KEYS)}, or data_batch_*.bin, in {data_dir}"
    actual = "neither (the pickled version is not read: a pickle can run any code)"
    raise InputError(expected, actual, "fetch the binary version")
  if {array.shape[1:] for array in images} - {(32, 32, 3), (3, 32, 32)} or images[0].dtype != "u1":
    raise InputError("images uint8 [N, 32, 32, 3]", str(images[0]), "fetch the data again")
  if labels.min() < 0 or labels.max() > 9:
    raise InputError("labels 0 to 9", f"others in {images[0].path}", "fetch the data again")
  rows, read = range(len(labels)), partial(_read, images, None)
  return Listing("cifar10", "directory", data_dir, labels, _CIFAR10, rows, read)


def _batch(path: Path) -> tuple[_Records, np.ndarray]:
  """The images of a binary file, and labels [N]."""
  with readable(f"records of {_RECORD} bytes", path, "fetch the file again"):
    size = path.stat().st_size
    if not path.is_file() or not size or size % _RECORD:
      raise ValueError(f"{size} bytes")
    labels = np.array(np.memmap(path, np.uint8, "r")[::_RECORD])
  return _Records(path, (len(labels), 3, 32, 32)), labels


def _pooled(
  pairs: Sequence[tuple[_Images, archive.Stored | np.ndarray]], depth: int | None = None
) -> tuple[list[_Images], np.ndarray]:
  """Checks images and labels, set by set; returns the images and the labels int64 [N] of all."""
  numbers = []
  for images, labels in pairs:
    if not images.shape or images.shape[:1] != labels.shape[:1]:
      actual = f"{(*images.shape, 1)[0]} images, {(*labels.shape, 1)[0]} labels in {images.path}"
      raise InputError("as many labels as images", actual, "rewrite the file")
    numbers.append(_numbers(labels))
    plain = images.dtype.kind in "fb" or images.dtype.str[1:] in ("u1", "u2")
    if not plain:
      expected = "images as uint8, uint16, bool or floating point"
      raise InputError(expected, str(images), "convert them")
  kinds = {f"{images.dtype} {list(images.shape[1:])}" for images, _ in pairs}
  if len(kinds) > 1:
    actual = f"{' and '.join(sorted(kinds))} in {pairs[0][0].path}"
    raise InputError("images of one shape and type", actual, "rewrite the file")
  shape, _, axes = archive.layout(pairs[0][0].shape, str(pairs[0][0]), depth)
  if "C, " in axes:
    logging.warning("%s: read as %s, with channels before the plane", pairs[0][0], axes)
  elif len(shape) == 5:
    logging.info("%s: read as volumes %s", pairs[0][0], axes)
  return [images for images, _ in pairs], np.concatenate(numbers)


def _numbers(stored: archive.Stored | np.ndarray) -> np.ndarray:
  """Labels [N], [N, 1] or one-hot [N, K] as int64 [N]."""
  several = len(stored.shape) == 2 and stored.shape[1] > 1
  whole = len(stored.shape) in (1, 2) and stored.dtype.kind in "biu" and 0 not in stored.shape
  if not whole and not (several and stored.dtype.kind == "f"):
    expected = "labels [N] or [N, 1] of integers, or one-hot"
    raise InputError(expected, str(stored), "rewrite the labels")
  labels = stored if isinstance(stored, np.ndarray) else stored.table()
  if several:
    if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
      actual = f"{stored.shape[1]}, {stored}"
      raise InputError("one label per image", actual, "choose a set that is not multi-label")
    labels = labels.argmax(axis=1)
  return labels.ravel().astype(np.int64)


def _read(
  images: list[_Images], depth: int | None, rows: list[int], image_size: int, cache: Path | None
) -> tuple[np.ndarray, int]:
  """Rows, ascending, as uint16 [n, (D,) image_size, image_size, C], and their bits."""
  dtype, form = images[0].dtype, str(images[0])
  shape, arranged, _ = archive.layout(images[0].shape, form, depth)
  deep = dtype.kind == "u" and dtype.itemsize == 2
  wanted = np.asarray(rows)

  def chosen() -> Iterator[np.ndarray]:
    start = 0
    for array in images:
      for block in array.rows():
        ends = np.searchsorted(wanted, [start, start + len(block)])
        whole = ends[1] - ends[0] == len(block)  # needs no copy
        yield arranged(block if whole else block[wanted[slice(*ends)] - start])
        start += len(block)

  def decode() -> Decoded:
    bits = {"f": 16}.get(dtype.kind, 8)
    if deep:
      bits = bits_of(max(int(block.max(initial=0)) for block in chosen()))
    sizes = (len(rows), *([depth or shape[1]] if len(shape) == 5 else []), image_size, image_size)
    pixels = (
      image for block in chosen() for image in resize(_values(block, bits, form), image_size, depth)
    )
    return (*sizes, shape[-1]), pixels, lambda: bits

  files = list(dict.fromkeys(array.path for array in images))
  pixels, bits = cached(cache, files, [_CACHE_VERSION, "npz", image_size, depth, wanted], decode)
  if deep:
    tell_range(pixels, bits, range(len(rows)), [f"row {row}" for row in rows])
  return pixels, bits


def _values(block: np.ndarray, bits: int, form: str) -> np.ndarray:
  """Stored values as uint8 or uint16 of the full range."""
  if block.dtype.kind == "b":
    return block.astype(np.uint8) * np.uint8(255)
  if block.dtype.kind == "u":
    native = block.astype(f"u{block.dtype.itemsize}", copy=False)
    return widened(native, bits) if native.dtype == np.uint16 and bits < 16 else native
  if not np.isfinite(block).all():
    raise InputError("finite images", f"NaN or infinity, {form}", "repair or remove them")
  low, high = float(block.min(initial=0)), float(block.max(initial=0))
  if low < -_ROUNDING or high > 1 + _ROUNDING:
    span = f"{low:.7g} to {high:.7g}, {form}"
    raise InputError("floating-point images in [0, 1]", span, "rescale them")
  values = block.astype(np.float64)
  np.rint(np.multiply(np.clip(values, 0, 1, out=values), 65535, out=values), out=values)
  return values.astype(np.uint16)
