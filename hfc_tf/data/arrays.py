"""Arrays in a file: npz, that of MedMNIST among them, and CIFAR-10 (Krizhevsky, 2009)."""

import math
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from hfc_tf.data.dataset import Listing, widened
from hfc_tf.data.decode import resize
from hfc_tf.data.files import readable, require_folder, visible
from hfc_tf.errors import InputError

MAX_BYTES = 2**33
_CIFAR10 = (
  "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_KEYS = ("x_train", "y_train", "x_test", "y_test")
_RECORD = 1 + 3 * 32 * 32  # label, then the planes red, green, blue


def npz(data_dir: Path) -> Listing:
  """Reads an npz file, or the only one in a folder.

  `images` is [N, H, W], [N, H, W, C], [N, D, H, W] or [N, D, H, W, C] with C 1, 3 or 4 (alpha is
  dropped), as uint8, uint16, bool or floating point in [0, 1]; `labels` is [N] or [N, 1], integers
  0 .. K-1; `patient` [N] groups the images. The three sets of a MedMNIST file are pooled. Four
  dimensions of which the last is 1, 3 or 4 are taken for [N, H, W, C].

  Raises:
    InputError: the file, its arrays or their values are not as said.
  """
  path = data_dir
  if not path.is_file():
    require_folder(data_dir, "one npz file")
    files = [file for file in visible(data_dir) if file.suffix == ".npz"]
    if len(files) != 1:
      raise InputError(f"one npz file in {data_dir}", str(len(files)), "give the file's own path")
    path = files[0]
  names = _array_names(path)
  medmnist = [f"{name}_" for name in ("train", "val", "test") if f"{name}_images" in names]
  prefixes = [""] if "images" in names else medmnist
  if not prefixes:
    found = f"{', '.join(sorted(names)) or 'none'} in {path}"
    raise InputError("arrays `images` and `labels`, or MedMNIST's", found, "rename the arrays")
  wanted = [f"{prefix}{noun}" for prefix in prefixes for noun in ("images", "labels")]
  arrays = _read_arrays(path, wanted, "patient" if "images" in names else "")
  images, labels = _pooled([(arrays[f"{p}images"], arrays[f"{p}labels"]) for p in prefixes], path)
  values = np.unique(labels).astype(int)
  if values[0] != 0 or values[-1] != len(values) - 1:
    found = f"{len(values)} different ones from {values[0]} to {values[-1]} in {path}"
    raise InputError("labels 0 to K-1, each in use", found, "number the classes from 0")
  patient = arrays.get("patient")
  if patient is not None and (patient.shape != labels.shape or patient.dtype.kind not in "USiu"):
    expected = f"`patient` with {len(labels)} strings or integers"
    raise InputError(expected, _form(patient, path), "rewrite the array or leave it out")
  source, rows = "medmnist" if medmnist else "directory", range(len(labels))
  classes, read = tuple(f"class {label}" for label in values), partial(_decoded, images, path)
  patients = None if patient is None else patient.__getitem__
  return Listing(path.stem, source, path, labels, classes, rows, read, patients)


def cifar10(data_dir: Path) -> Listing:
  """Reads an npz file with x_train, y_train, x_test, y_test, or data_batch_*.bin; pooled."""
  if not data_dir.is_file():
    require_folder(data_dir, "CIFAR-10 as npz or in its binary version")
  candidates = [data_dir] if data_dir.is_file() else sorted(data_dir.glob("*.npz"))
  archives = [path for path in candidates if set(_KEYS) <= _array_names(path)]
  batches = [
    path
    for place in (data_dir, data_dir / "cifar-10-batches-bin")
    for pattern in ("data_batch_*.bin", "test_batch.bin")
    for path in sorted(place.glob(pattern))
  ]
  if archives:
    arrays = _read_arrays(archives[0], _KEYS)
    pairs = [(arrays[f"x_{name}"], arrays[f"y_{name}"]) for name in ("train", "test")]
  elif batches:
    pairs = [_batch(path) for path in batches]
  else:
    expected = f"an npz file with {', '.join(_KEYS)}, or data_batch_*.bin, in {data_dir}"
    found = "neither (the pickled version is not read: a pickle can run any code)"
    raise InputError(expected, found, "fetch the binary version")
  where = archives[0] if archives else data_dir
  images, labels = _pooled(pairs, where)
  if images.shape[1:] != (32, 32, 3) or images.dtype != np.uint8:
    raise InputError("images uint8 [N, 32, 32, 3]", _form(images, where), "fetch the data again")
  if labels.min() < 0 or labels.max() > 9:
    raise InputError("labels 0 to 9", f"others in {where}", "fetch the data again")
  rows, read = range(len(labels)), partial(_decoded, images, where)
  return Listing("cifar10", "directory", data_dir, labels, _CIFAR10, rows, read)


def _batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
  """Images uint8 [N, 32, 32, 3] and labels [N] of a binary file."""
  values = np.fromfile(path, np.uint8)
  if not values.size or values.size % _RECORD:
    found = f"{values.size} bytes"
    raise InputError(f"records of {_RECORD} bytes in {path}", found, "fetch the file again")
  records = values.reshape(-1, _RECORD)
  return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]


def _pooled(
  pairs: Sequence[tuple[np.ndarray, np.ndarray]], path: Path
) -> tuple[np.ndarray, np.ndarray]:
  """Checks arrays of images and labels; returns images [N, (D,) H, W, C] and labels [N] of all."""
  for images, labels in pairs:
    if labels.ndim == 2 and labels.shape[1] > 1:
      found = f"{labels.shape[1]} in {path}"
      raise InputError("one label per image", found, "choose a set that is not multi-label")
    if labels.ndim not in (1, 2) or labels.dtype.kind not in "biu" or not labels.size:
      expected = "labels [N] or [N, 1] of integers"
      raise InputError(expected, _form(labels, path), "rewrite the labels")
    if images.shape[:1] != labels.shape[:1]:
      found = f"{len(np.atleast_1d(images))} images, {len(labels)} labels in {path}"
      raise InputError("as many labels as images", found, "rewrite the file")
  shapes = {images.shape[1:] for images, _ in pairs}
  if len(shapes) > 1:
    raise InputError("images of one shape", f"{shapes} in {path}", "rewrite the file")
  images = pairs[0][0] if len(pairs) == 1 else np.concatenate([images for images, _ in pairs])
  if images.ndim == 3 or (images.ndim == 4 and images.shape[-1] not in (1, 3, 4)):
    images = images[..., None]
  if images.ndim not in (4, 5) or images.shape[-1] not in (1, 3, 4) or 0 in images.shape:
    expected = "images [N, (D,) H, W] or [N, (D,) H, W, C] with C 1, 3 or 4"
    raise InputError(expected, _form(images, path), "rewrite the array")
  if images.dtype.kind != "f" and images.dtype not in (np.uint8, np.uint16, np.bool_):
    expected = "images as uint8, uint16, bool or floating point"
    raise InputError(expected, _form(images, path), "convert them")
  return images[..., :3], np.concatenate([labels.ravel() for _, labels in pairs])


def _array_names(path: Path) -> set[str]:
  """The names of the arrays in an npz file."""
  with readable("an npz file at --data_dir", path), zipfile.ZipFile(path) as archive:
    return {name.removesuffix(".npy") for name in archive.namelist()}


def _read_arrays(path: Path, needed: Sequence[str], optional: str = "") -> dict[str, np.ndarray]:
  """Reads arrays from an npz file that hold no objects and are as large as they declare."""
  arrays = {}
  expected = "an intact npz file"
  with readable(expected, path, "write or fetch it again"), zipfile.ZipFile(path) as archive:
    declared = sum(member.file_size for member in archive.infolist())
    if declared > MAX_BYTES:
      expected = f"an npz file of at most {MAX_BYTES >> 30} GiB unpacked"
      found = f"{declared / 2**30:.1f} GiB in {path}"
      raise InputError(expected, found, "use fewer images or a folder per class")
    for member in archive.infolist():
      name = member.filename.removesuffix(".npy")
      if name in (*needed, optional):
        with archive.open(member) as file:
          _check_header(file, member.file_size, f"`{name}` of {path}")
        with archive.open(member) as file:
          arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
  missing = [name for name in needed if name not in arrays]
  if missing:
    raise InputError(f"an array `{missing[0]}` in {path}", "none", "add it to the file")
  return arrays


def _check_header(file: IO[bytes], size: int, where: str) -> None:
  """Refuses objects, and arrays that are said to be larger than their member of `size` bytes."""
  first = np.lib.format.read_magic(file) == (1, 0)
  read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
  shape, _, dtype = read(file)
  if dtype.hasobject:
    found = f"an object array, {where}"
    raise InputError("numbers or strings", found, "save it with a plain dtype")
  if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > size:
    found = f"{dtype} {list(shape)} declared in {size} bytes, {where}"
    raise InputError("an array as large as it declares", found, "write the file again")


def _form(array: np.ndarray, path: Path) -> str:
  return f"{array.dtype} {list(array.shape)} in {path}"


def _decoded(
  images: np.ndarray, path: Path, rows: list[int], image_size: int, cache: Path | None
) -> tuple[np.ndarray, int]:
  """Rows of the images as uint16 [n, (D,) image_size, image_size, C], and their bits.

  As in `decode_images`, uint16 up to 4095 is 12-bit; floating point is 16-bit. Too quick for the
  cache.
  """
  chosen = images[rows]
  if chosen.dtype.kind != "f":
    if chosen.dtype == np.uint16:
      narrow = chosen.max() <= 4095
      return resize(widened(chosen) if narrow else chosen, image_size), 12 if narrow else 16
    scale = {"uint8": 257, "bool": 65535}[chosen.dtype.name]
    return resize(chosen.astype(np.uint16) * np.uint16(scale), image_size), 8
  if not np.isfinite(chosen).all():
    raise InputError("finite images", f"NaN or infinity in {path}", "repair or remove them")
  if chosen.min() < 0 or chosen.max() > 1:
    found = f"{chosen.min():.4g} to {chosen.max():.4g} in {path}"
    raise InputError("floating-point images in [0, 1]", found, "rescale them")
  pixels = np.empty(chosen.shape, np.uint16)
  for index, image in enumerate(chosen):  # one at a time: no second copy in floating point
    pixels[index] = np.rint(image.astype(np.float64) * 65535)
  return resize(pixels, image_size), 16
