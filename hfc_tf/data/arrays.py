"""Arrays in a file: npz, that of MedMNIST among them, and CIFAR-10 (Krizhevsky, 2009)."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from hfc_tf.data import stored
from hfc_tf.data.cache import Decoded, cached
from hfc_tf.data.dataset import Listing, widened
from hfc_tf.data.decode import resize
from hfc_tf.data.files import readable, require_folder
from hfc_tf.data.stored import CHANNELS, StoredArray, channels_first, is_volume
from hfc_tf.data.volumes import resize as resize_volume
from hfc_tf.errors import InputError

_CIFAR10 = (
  "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_KEYS = ("x_train", "y_train", "x_test", "y_test")
_RECORD = 1 + 3 * 32 * 32  # label, then the planes red, green, blue
_PATIENTS = ("patient", "patients", "patient_id", "subject", "subjects", "groups", "group")
_ROUNDING = 1e-6  # that floating-point images may exceed [0, 1] by
_LARGE = 2**28  # bytes from which on decoded images are worth keeping
_CACHE_VERSION = 1


def npz(data_dir: Path, depth: int | None = None) -> Listing:
  """Reads an npz file, or the only one in a folder.

  `images` is [N, H, W], [N, H, W, C], [N, D, H, W] or [N, D, H, W, C] with C 1, 3 or 4 (alpha is
  dropped), as uint8, uint16, bool or floating point in [0, 1]; `labels` is [N], [N, 1] or one-hot
  [N, K], integers 0 .. K-1; `patient` [N] (or `patient_id`, `subject`, `groups`) groups the images.
  The three sets of a MedMNIST file are pooled. Of four or five dimensions the last holds the
  channels if it is 1, 3 or 4; else the second if it is, and is moved to the end.

  Args:
    data_dir: the file or its folder.
    depth: slices of volumes; None leaves them as they are.

  Raises:
    InputError: the file, its arrays or their values are not as said.
  """
  path = stored.npz_file(data_dir)
  arrays = stored.stored_arrays(path)
  by_set = stored.image_arrays(arrays, path)
  alone = [name for name in arrays if name.endswith("_labels") and "" not in by_set
           and name.removesuffix("labels") not in by_set]  # fmt: skip
  if alone:
    raise InputError(f"images of `{alone[0]}` in {path}", "none", "write the file again")
  prefixes, images = list(by_set), list(by_set.values())
  labels = _labels([_array(arrays, f"{p}labels", path).whole() for p in prefixes], images, path)
  values = np.unique(labels).astype(int)
  if values[0] != 0 or values[-1] != len(values) - 1:
    found = f"{len(values)} different ones from {values[0]} to {values[-1]} in {path}"
    raise InputError("labels 0 to K-1, each in use", found, "number the classes from 0")
  names = [name for name in _PATIENTS if name in arrays and not prefixes[0]]
  patient = arrays[names[0]].whole() if names else None
  if patient is not None and (patient.shape != labels.shape or patient.dtype.kind not in "USiu"):
    expected = f"`{names[0]}` with {len(labels)} strings or integers"
    raise InputError(expected, _form(patient, path), "rewrite the array or leave it out")
  _check_images(images, path)
  if depth is not None and not is_volume(images[0].shape):
    raise InputError("volumes with --depth", _form(images[0], path), "leave it out")
  source, rows = "medmnist" if prefixes[0] else "directory", range(len(labels))
  classes, read = tuple(f"class {label}" for label in values), partial(_read, images, path, depth)
  patients = None if patient is None else patient.__getitem__
  return Listing(path.stem, source, path, labels, classes, rows, read, patients)


def cifar10(data_dir: Path) -> Listing:
  """Reads an npz file with x_train, y_train, x_test, y_test, or data_batch_*.bin; pooled."""
  if not data_dir.is_file():
    require_folder(data_dir, "CIFAR-10 as npz or in its binary version")
  candidates = [data_dir] if data_dir.is_file() else sorted(data_dir.glob("*.npz"))
  archives = {path: stored.stored_arrays(path) for path in candidates}
  archives = {path: arrays for path, arrays in archives.items() if set(_KEYS) <= set(arrays)}
  batches = [
    path
    for place in (data_dir, data_dir / "cifar-10-batches-bin")
    for pattern in ("data_batch_*.bin", "test_batch.bin")
    for path in sorted(place.glob(pattern))
  ]
  images: Sequence[StoredArray | np.ndarray]
  if archives:
    where, arrays = next(iter(archives.items()))
    images = [arrays["x_train"], arrays["x_test"]]
    given = [arrays["y_train"].whole(), arrays["y_test"].whole()]
  elif batches:
    where = data_dir
    images, given = map(list, zip(*map(_batch, batches), strict=True))
  else:
    expected = f"an npz file with {', '.join(_KEYS)}, or data_batch_*.bin, in {data_dir}"
    found = "neither (the pickled version is not read: a pickle can run any code)"
    raise InputError(expected, found, "fetch the binary version")
  labels = _labels(given, images, where)
  for each in images:
    if tuple(each.shape[1:]) != (32, 32, 3) or each.dtype != np.uint8 or not each.shape[0]:
      raise InputError("images uint8 [N, 32, 32, 3]", _form(each, where), "fetch the data again")
  if labels.min() < 0 or labels.max() > 9:
    raise InputError("labels 0 to 9", f"others in {where}", "fetch the data again")
  rows, read = range(len(labels)), partial(_read, images, where, None)
  return Listing("cifar10", "directory", data_dir, labels, _CIFAR10, rows, read)


def _batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
  """Images uint8 [N, 32, 32, 3] and labels [N] of a binary file."""
  with readable("CIFAR-10 in its binary version", path):
    values = np.fromfile(path, np.uint8)
  if not values.size or values.size % _RECORD:
    found = f"{values.size} bytes"
    raise InputError(f"records of {_RECORD} bytes in {path}", found, "fetch the file again")
  records = values.reshape(-1, _RECORD)
  return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]


def _array(arrays: Mapping[str, StoredArray], name: str, path: Path) -> StoredArray:
  if name not in arrays:
    raise InputError(f"an array `{name}` in {path}", "none", "add it to the file")
  return arrays[name]


def _labels(
  given: Sequence[np.ndarray], images: Sequence[StoredArray | np.ndarray], path: Path
) -> np.ndarray:
  """Class numbers [N] of all sets; each set's are as many as its images."""
  numbers = []
  for labels, of in zip(given, images, strict=True):
    if labels.ndim not in (1, 2) or labels.dtype.kind not in "biu" or not labels.size:
      expected = "labels [N], [N, 1] or one-hot [N, K] of integers"
      raise InputError(expected, _form(labels, path), "rewrite the labels")
    if of.shape[:1] != labels.shape[:1]:
      found = f"{of.shape[0] if of.shape else 1} images, {len(labels)} labels in {path}"
      raise InputError("as many labels as images in each set", found, "rewrite the file")
    if labels.ndim == 2 and labels.shape[1] > 1:
      if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
        found = f"{labels.shape[1]} in {path}"
        raise InputError("one label per image", found, "choose a set that is not multi-label")
      labels = labels.argmax(axis=1)
    numbers.append(labels.ravel())
  return np.concatenate(numbers)


def _check_images(images: Sequence[StoredArray], path: Path) -> None:
  """Refuses what are no images of one shape; says so where channels come first."""
  shapes = {each.shape[1:] for each in images}
  if len(shapes) > 1 or len({each.dtype for each in images}) > 1:
    found = ", ".join(_form(each, path) for each in images)
    raise InputError("images of one shape and type", found, "rewrite the file")
  first = images[0]
  rank = len(first.shape)
  channels = rank == 5 and not (first.shape[-1] in CHANNELS or channels_first(first.shape))
  if rank not in (3, 4, 5) or channels or 0 in first.shape:
    expected = "images [N, (D,) H, W] or [N, (D,) H, W, C] with C 1, 3 or 4"
    raise InputError(expected, _form(first, path), "rewrite the array")
  if first.dtype.kind != "f" and first.dtype.newbyteorder("=") not in (
    np.uint8, np.uint16, np.bool_,
  ):  # fmt: skip
    expected = "images as uint8, uint16, bool or floating point"
    raise InputError(expected, _form(first, path), "convert them")
  if channels_first(first.shape):
    count, sides = first.shape[1], list(first.shape)
    logging.warning("images %s: the second axis is read as %d channels", sides, count)


def _form(array: StoredArray | np.ndarray, path: Path) -> str:
  return f"{array.dtype} {list(array.shape)} in {path}"


def _blocks(
  images: Sequence[StoredArray | np.ndarray], rows: Sequence[int]
) -> Iterator[np.ndarray]:
  """The rows, in rising order, of all sets: [n, (D,) H, W, C] at a time."""
  chosen, start = np.asarray(rows), 0
  for each in images:
    for block in each.blocks() if isinstance(each, StoredArray) else [each]:
      inside = chosen[(chosen >= start) & (chosen < start + len(block))] - start
      start += len(block)
      some = block[inside]
      if channels_first(each.shape):
        some = np.moveaxis(some, 1, -1)
      elif some.ndim == 3 or (some.ndim == 4 and some.shape[-1] not in CHANNELS):
        some = some[..., None]
      if len(some):
        yield some[..., :3]


def _read(
  images: Sequence[StoredArray | np.ndarray],
  path: Path,
  depth: int | None,
  rows: list[int],
  image_size: int,
  cache: Path | None,
) -> tuple[np.ndarray, int]:
  """Rows of the images as uint16 [n, (D,) image_size, image_size, C], and their bits.

  As in `decode_images`, uint16 up to 4095 is 12-bit; floating point is 16-bit. Large arrays go
  through the cache, small ones are quick without.
  """

  def decode() -> Decoded:
    kind, bits = images[0].dtype, 8
    if kind.kind == "f":
      bits = 16
      _check_range(_blocks(images, rows), path)
    elif kind.itemsize == 2:
      bits = 12 if max(block.max() for block in _blocks(images, rows)) <= 4095 else 16
    pixels = (_resized(_pixels(block, bits), image_size, depth) for block in _blocks(images, rows))
    first = next(_blocks(images, rows))
    sides = (*([depth or first.shape[1]] if first.ndim == 5 else []), image_size, image_size)
    return (len(rows), *sides, first.shape[-1]), (x for each in pixels for x in each), lambda: bits

  large = sum(np.prod(each.shape, dtype=float) * each.dtype.itemsize for each in images) > _LARGE
  made_of: list[Any] = [_CACHE_VERSION, "npz", image_size, depth, list(map(int, rows))]
  return cached(cache if large and path.is_file() else None, [path], made_of, decode)


def _check_range(blocks: Iterator[np.ndarray], path: Path) -> None:
  low, high = 0.0, 1.0
  for block in blocks:
    if not np.isfinite(block).all():
      raise InputError("finite images", f"NaN or infinity in {path}", "repair or remove them")
    low, high = min(low, float(block.min())), max(high, float(block.max()))
  if low < -_ROUNDING or high > 1 + _ROUNDING:
    found = f"{low:.4g} to {high:.4g} in {path}"
    raise InputError("floating-point images in [0, 1]", found, "rescale them")


def _pixels(block: np.ndarray, bits: int) -> np.ndarray:
  """uint16 of the same shape, 65535 for white."""
  if block.dtype.kind == "f":
    wide: np.ndarray = np.rint(np.clip(block.astype(np.float64), 0, 1) * 65535).astype(np.uint16)
    return wide
  if block.dtype == np.uint16:
    return widened(block) if bits == 12 else block
  return block.astype(np.uint16) * np.uint16(257 if block.dtype == np.uint8 else 65535)


def _resized(pixels: np.ndarray, image_size: int, depth: int | None) -> np.ndarray:
  """Resizes uint16 [n, (D,) H, W, C] in the plane and, of volumes, in depth."""
  planes = resize(pixels, image_size)
  if pixels.ndim == 4 or depth is None:
    return planes
  return np.stack([resize_volume(volume, image_size, depth) for volume in planes])
