"""A folder per class of volumes: NIfTI files, and DICOM series in a sub-folder each."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from absl import logging

from hfc_tf.data import decode, dicom, nifti
from hfc_tf.data.cache import Decoded, cached, in_order
from hfc_tf.data.dataset import Listing
from hfc_tf.data.files import class_folders, visible
from hfc_tf.data.stored import MAX_BYTES
from hfc_tf.data.volume import Volume
from hfc_tf.errors import InputError

CT_WINDOW = (40.0, 400.0)  # soft tissue: level and width in Hounsfield units
BRAIN_WINDOW = (40.0, 80.0)
_LAYOUT = "one sub-folder per class of .nii, .nii.gz and folders of DICOM slices"
_CACHE_VERSION = 2

Window = Sequence[float | str]


def volumes(data_dir: Path, window: Window | None = None, depth: int | None = None) -> Listing:
  """Lists DATA_DIR/CLASS/VOLUME, VOLUME being a NIfTI file or a folder with a DICOM series.

  A voxel v becomes (v - level) / width + 1/2, cut to [0, 1] (DICOM PS3.3, C.11.2.1.3.2). Without a
  window CT in DICOM takes CT_WINDOW, everything else its own range from the 0.5th to the 99.5th
  percentile. Volumes are resized, linearly and antialiased, to `image_size` in the plane and to
  one depth. Series with the same PatientID are one group.

  Args:
    data_dir: the folder; its sub-folders in sorted order are the classes.
    window: (level, width) in the files' units, as numbers or text.
    depth: slices; None takes the median of the volumes drawn.
  """
  limits = None if window is None else _window(window)
  if depth is not None and depth < 1:
    raise InputError("a depth of at least 1", str(depth), "raise it")
  classes = class_folders(data_dir, _LAYOUT)
  files = {path: _files(path) for folder in classes for path in visible(folder)}
  paths = [path for path in files if files[path]]

  def look(path: Path) -> Volume:
    return dicom.look(files[path]) if path.is_dir() else nifti.look(path)

  def read(drawn: list[Path], image_size: int, cache_dir: Path | None) -> tuple[np.ndarray, int]:
    slices = [file for path in drawn for file in files[path]]
    made_of = [_CACHE_VERSION, "volumes", image_size, depth, limits]
    headers = map(look, drawn)
    return cached(cache_dir, slices, made_of, lambda: _decoded(headers, image_size, depth, limits))

  def patients(drawn: list[Path]) -> Sequence[object]:
    names = [(path.is_dir() and dicom.patient(files[path])) or str(path) for path in drawn]
    return names if len(set(names)) > 1 else drawn  # one name for all (anonymised) tells nothing

  labels = [classes.index(path.parent) for path in paths]
  names = tuple(path.name for path in classes)
  name = data_dir.resolve().name
  return Listing(name, "directory", data_dir, labels, names, paths, read, patients)


def brain(data_dir: Path, window: Window | None = None, depth: int | None = None) -> Listing:
  """Lists head CT as `volumes` does, a folder per cause of haemorrhage; BRAIN_WINDOW by default."""
  listing = volumes(data_dir, BRAIN_WINDOW if window is None else window, depth)
  return dataclasses.replace(listing, name="brain")


def _files(path: Path) -> list[Path]:
  """What a volume consists of: a NIfTI file or the slices in a folder; nothing elsewhere."""
  if path.is_dir():
    return dicom.slices(path)
  return [path] if path.is_file() and path.name.lower().endswith(nifti.SUFFIXES) else []


def _decoded(
  headers: Iterable[Volume], image_size: int, depth: int | None, limits: tuple[float, float] | None
) -> Decoded:
  """The shape of the whole, and its volumes uint16 [depth, image_size, image_size, 1] in order."""
  looked = list(headers)
  depth = depth or round(float(np.median([volume.shape[0] for volume in looked])))
  shape = (len(looked), depth, image_size, image_size, 1)
  if 2 * float(np.prod(shape, dtype=float)) > MAX_BYTES:
    expected = f"volumes of at most {MAX_BYTES >> 30} GiB in all"
    raise InputError(expected, f"{shape}", "lower --image_size, --depth or --num_images")
  if limits is None and any(volume.hounsfield for volume in looked):
    logging.info("CT without --window: level %g, width %g", *CT_WINDOW)

  bits = [8]

  def read(volume: Volume) -> np.ndarray:
    values = volume.read()  # [D, h, w]
    bits.append(volume.bits or _bits(values))
    window = limits or (CT_WINDOW if volume.hounsfield else _range(values))
    return resize(windowed(values, *window)[..., None], image_size, depth)

  return shape, in_order(read, looked, threads=4), lambda: max(bits)


def windowed(values: np.ndarray, level: float, width: float) -> np.ndarray:
  """uint16 of the same shape: 0 at level - width / 2 and below, 65535 at level + width / 2."""
  unit = (values - np.float32(level)) / np.float32(width) + np.float32(0.5)
  return np.asarray(np.rint(65535 * np.clip(unit, 0, 1)), np.uint16)


def resize(pixels: np.ndarray, image_size: int, depth: int) -> np.ndarray:
  """Resizes uint16 [D, H, W, C] to [depth, image_size, image_size, C], linearly, antialiased."""
  planes = decode.resize(pixels, image_size)  # [D, S, S, C]
  if len(planes) == depth:
    return planes
  table = planes.reshape(1, len(planes), -1, 1)  # [1, D, S^2 C, 1]: slices are rows of one image
  resized = decode.resized_planes(table, depth, table.shape[2])
  return resized.reshape(depth, *planes.shape[1:])


def _bits(values: np.ndarray) -> int:
  """12 where voxels are whole numbers whose range fits 4096 levels, as CT's do; else 16."""
  return 12 if np.ptp(values) <= 4095 and (values == np.rint(values)).all() else 16


def _range(values: np.ndarray) -> tuple[float, float]:
  """Level and width from the 0.5th to the 99.5th percentile; from end to end where these meet."""
  some = values.ravel()[:: max(values.size >> 20, 1)]
  low, high = np.percentile(some, [0.5, 99.5]).tolist()
  if low == high:
    low, high = float(values.min()), float(values.max())
  return (low + high) / 2, (high - low) or 1.0


def _window(window: Window) -> tuple[float, float]:
  try:
    level, width = (float(value) for value in window)
    if not (np.isfinite(level) and 0 < width < np.inf):
      raise ValueError
  except ValueError:
    found = ",".join(map(str, window))
    raise InputError("--window=level,width, width above 0", found, "e.g. 40,80") from None
  return level, width
