"""Arrays in an npz file: `images`, `labels`, perhaps `patient`; or a MedMNIST file."""

import math
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import IO

import numpy as np

from hfc_tf.data import decode, folders
from hfc_tf.data.dataset import Dataset, check_labels, group_numbers, stratified_subset
from hfc_tf.errors import InputError

MAX_BYTES = 2**33
_PARTS = ("train", "val", "test")


def npz(
  data_dir: Path, image_size: int, seed: int, num_images: int | None, cache_dir: Path | None
) -> Dataset:
  """Reads an npz file, or the only one in a folder.

  `images` is [N, H, W], [N, H, W, C], [N, D, H, W] or [N, D, H, W, C] with C 1, 3 or 4 (alpha is
  dropped), as uint8, uint16, bool or floating point in [0, 1]; `labels` is [N] or [N, 1], integers
  0 .. K-1; `patient` [N] groups the images. The parts of a MedMNIST file are pooled. Four
  dimensions of which the last is 1, 3 or 4 are taken for [N, H, W, C].

  Raises:
    InputError: the file, its arrays or their values are not as said.
  """
  del cache_dir  # nothing is decoded
  path = _only_file(data_dir)
  names = array_names(path)
  parts = [part for part in _PARTS if f"{part}_images" in names]
  if "images" in names:
    arrays = read_arrays(path, ("images", "labels"), ("patient",))
    images, labels = arrays["images"], _flat(arrays["labels"], path)
  elif parts:
    wanted = [f"{part}_{what}" for part in parts for what in ("images", "labels")]
    arrays = read_arrays(path, wanted)
    shapes = {arrays[f"{part}_images"].shape[1:] for part in parts}
    if len(shapes) > 1:
      raise InputError("images of one shape", f"{shapes} in {path}", "rewrite the file")
    images = np.concatenate([arrays[f"{part}_images"] for part in parts])
    labels = np.concatenate([_flat(arrays[f"{part}_labels"], path) for part in parts])
  else:
    raise InputError(
      "arrays `images` and `labels`, or those of MedMNIST",
      f"{', '.join(sorted(names)) or 'none'} in {path}",
      "rename the arrays",
    )
  patient = arrays.get("patient")
  if patient is not None and (patient.shape != labels.shape or patient.dtype.kind not in "USiu"):
    raise InputError(
      f"`patient` with {len(labels)} strings or integers",
      f"{patient.dtype} {list(patient.shape)} in {path}",
      "rewrite the array or leave it out",
    )
  return from_arrays(
    path,
    images,
    labels,
    tuple(f"class {label}" for label in range(_num_classes(labels, path))),
    image_size=image_size,
    seed=seed,
    num_images=num_images,
    name=path.stem,
    source="medmnist" if parts else "directory",
    patient=patient,
  )


def from_arrays(
  path: Path,
  images: np.ndarray,
  labels: np.ndarray,
  class_names: tuple[str, ...],
  *,
  image_size: int,
  seed: int,
  num_images: int | None,
  name: str,
  source: str,
  patient: np.ndarray | None = None,
) -> Dataset:
  """Checks arrays that came from `path` and makes a Dataset of them, resized in the plane."""
  if image_size < 1:
    raise InputError("an image size of at least 1 pixel", str(image_size), "raise it")
  if len(images) != len(labels):
    raise InputError(
      "as many labels as images",
      f"{len(images)} images, {len(labels)} labels in {path}",
      "rewrite the file",
    )
  check_labels(labels, class_names, path)
  chosen = stratified_subset(labels, num_images, seed)
  check_labels(labels[chosen], class_names, f"the {len(chosen)} images drawn from {path}")
  if images.ndim == 3 or (images.ndim == 4 and images.shape[-1] not in (1, 3, 4)):
    images = images[..., None]
  if images.ndim not in (4, 5) or images.shape[-1] not in (1, 3, 4) or 0 in images.shape:
    raise InputError(
      "images [N, (D,) H, W] or [N, (D,) H, W, C] with C 1, 3 or 4",
      f"{list(images.shape)} in {path}",
      "rewrite the array",
    )
  channels = 1 if images.shape[-1] == 1 else 3
  return Dataset(
    name=name,
    source=source,
    pixels=decode.resize(_to_uint16(images[chosen][..., :channels], path), image_size),
    labels=labels[chosen].astype(np.int32),
    ids=[f"row {row}" for row in chosen],
    groups=None if patient is None else group_numbers(patient[chosen].tolist()),
    class_names=class_names,
  )


def array_names(path: Path) -> set[str]:
  """The names of the arrays in an npz file."""
  try:
    with zipfile.ZipFile(path) as archive:
      return {name.removesuffix(".npy") for name in archive.namelist()}
  except (OSError, zipfile.BadZipFile) as error:
    raise InputError(f"an npz file at {path}", str(error), "check --data_dir") from None


def read_arrays(
  path: Path, needed: Collection[str], optional: Collection[str] = ()
) -> dict[str, np.ndarray]:
  """Reads arrays from an npz file, after a look at what it declares.

  Raises:
    InputError: an array is missing, holds objects, or declares more than the file can hold.
  """
  arrays = {}
  try:
    with zipfile.ZipFile(path) as archive:
      declared = sum(member.file_size for member in archive.infolist())
      if declared > MAX_BYTES:
        raise InputError(
          f"an npz file of at most {MAX_BYTES >> 30} GiB unpacked",
          f"{declared / 2**30:.1f} GiB in {path}",
          "use fewer images or a folder per class",
        )
      for member in archive.infolist():
        name = member.filename.removesuffix(".npy")
        if name in needed or name in optional:
          with archive.open(member) as file:
            _check_header(file, member.file_size, name, path)
          with archive.open(member) as file:
            arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
  except (OSError, EOFError, ValueError, NotImplementedError, RuntimeError, MemoryError) as error:
    if isinstance(error, InputError):
      raise
    raise _damaged(path, error) from None
  except (zipfile.BadZipFile, zlib.error) as error:
    raise _damaged(path, error) from None
  missing = [name for name in needed if name not in arrays]
  if missing:
    raise InputError(f"an array `{missing[0]}` in {path}", "none", "add it to the file")
  return arrays


def _damaged(path: Path, error: Exception) -> InputError:
  return InputError(f"an intact npz file at {path}", str(error), "write or fetch it again")


def _check_header(file: IO[bytes], size: int, name: str, path: Path) -> None:
  version = np.lib.format.read_magic(file)
  header = (
    np.lib.format.read_array_header_1_0
    if version == (1, 0)
    else np.lib.format.read_array_header_2_0
  )
  shape, _, dtype = header(file)
  if dtype.hasobject:
    raise InputError(
      f"numbers or strings in `{name}`", f"an object array in {path}", "save it with a plain dtype"
    )
  if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > size:
    raise InputError(
      f"`{name}` as large as it declares",
      f"{dtype} {list(shape)} declared in {size} bytes of {path}",
      "write the file again",
    )


def _only_file(data_dir: Path) -> Path:
  if data_dir.is_file():
    return data_dir
  folders.require_folder(data_dir, "one npz file")
  found = [path for path in folders.visible(data_dir) if path.suffix == ".npz"]
  if len(found) != 1:
    raise InputError(f"one npz file in {data_dir}", str(len(found)), "give the file's own path")
  return found[0]


def _flat(labels: np.ndarray, path: Path) -> np.ndarray:
  """Labels [N] or [N, 1] -> [N]."""
  if labels.ndim == 2 and labels.shape[1] > 1:
    raise InputError(
      "one label per image", f"{labels.shape[1]} in {path}", "choose a set that is not multi-label"
    )
  return labels.reshape(len(labels)) if labels.ndim == 2 else labels


def _num_classes(labels: np.ndarray, path: Path) -> int:
  """Counts the classes; raises unless they are 0 .. K-1."""
  if labels.ndim != 1 or labels.dtype.kind not in "biu" or not labels.size:
    raise InputError(
      "labels [N] or [N, 1] of integers",
      f"{labels.dtype} {list(labels.shape)} in {path}",
      "rewrite the labels",
    )
  values = np.unique(labels)
  if int(values[0]) != 0 or int(values[-1]) != len(values) - 1:
    raise InputError(
      "labels 0 to K-1, each in use",
      f"{len(values)} different ones from {values[0]} to {values[-1]} in {path}",
      "number the classes from 0",
    )
  return len(values)


def _to_uint16(images: np.ndarray, path: Path) -> np.ndarray:
  if images.dtype == np.uint16:
    return images.astype(np.uint16)
  if images.dtype == np.uint8:
    return images * np.uint16(257)
  if images.dtype == np.bool_:
    return images * np.uint16(65535)
  if images.dtype.kind != "f":
    raise InputError(
      "images as uint8, uint16, bool or floating point", f"{images.dtype} in {path}", "convert them"
    )
  if not np.isfinite(images).all():
    raise InputError("finite images", f"NaN or infinity in {path}", "repair or remove them")
  if images.min() < 0 or images.max() > 1:
    raise InputError(
      "floating-point images in [0, 1]",
      f"{images.min():.4g} to {images.max():.4g} in {path}",
      "rescale them",
    )
  pixels = np.empty(images.shape, np.uint16)
  for index, image in enumerate(images):  # one at a time: no second copy in floating point
    pixels[index] = np.rint(image.astype(np.float64) * 65535)
  return pixels
