"""A folder per class of volumes: NIfTI files, and DICOM series in a sub-folder each."""

import dataclasses
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import logging

from hfc_tf.data import decode, dicom, folders, nifti
from hfc_tf.data.cache import kept, key
from hfc_tf.data.dataset import Dataset, check_labels, group_numbers, stratified_subset
from hfc_tf.data.npz import MAX_BYTES
from hfc_tf.data.volume import Volume
from hfc_tf.errors import InputError

CT_WINDOW = (40.0, 400.0)  # soft tissue: level and width in Hounsfield units
BRAIN_WINDOW = (40.0, 80.0)
_LAYOUT = "one sub-folder per class of .nii, .nii.gz and folders of DICOM slices"
_CACHE_VERSION = 1

Window = Sequence[float | str]


def volumes(
  data_dir: Path,
  image_size: int,
  seed: int,
  num_images: int | None,
  cache_dir: Path | None,
  *,
  window: Window | None = None,
  depth: int | None = None,
) -> Dataset:
  """Reads DATA_DIR/CLASS/VOLUME, VOLUME being a NIfTI file or a folder with a DICOM series.

  A voxel v becomes (v - level) / width + 1/2, cut to [0, 1] (DICOM PS3.3, C.11.2.1.3.2). Without a
  window CT in DICOM takes CT_WINDOW, everything else its own range from the 0.5th to the 99.5th
  percentile. Volumes are resized, linearly and antialiased, to `image_size` in the plane and to
  one depth. Series with the same PatientID are one group.

  Args:
    data_dir: the folder; its sub-folders in sorted order are the classes.
    image_size: H and W of the volumes.
    seed: of the draw of `num_images`.
    num_images: how many to draw, by class; None reads all.
    cache_dir: where decoded volumes are kept.
    window: (level, width) in the files' units, as numbers or text.
    depth: slices; None takes the median of the volumes drawn.

  Raises:
    InputError: no such folder, a class without volumes, or a volume that cannot be read.
  """
  limits = None if window is None else _window(window)
  for name, least in (("image size", image_size), ("depth", 1 if depth is None else depth)):
    if least < 1:
      raise InputError(f"a {name} of at least 1", str(least), "raise it")
  sources, labels, class_names = _listed(data_dir)
  check_labels(labels, class_names, data_dir)
  chosen = stratified_subset(labels, num_images, seed)
  check_labels(labels[chosen], class_names, f"the {len(chosen)} volumes drawn from {data_dir}")
  drawn = [sources[index] for index in chosen]
  files = [path for source in drawn for path in source.files]
  entry = None
  if cache_dir is not None:
    entry = cache_dir / key(files, [_CACHE_VERSION, "volumes", image_size, depth, limits])
  with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # both packages warn of many small faults that do no harm
    pixels = kept(entry, lambda: _decoded([s.look() for s in drawn], image_size, depth, limits))
    patients = [source.patient() for source in drawn]
  keys = [p or str(source.path) for p, source in zip(patients, drawn, strict=True)]
  return Dataset(
    name=data_dir.resolve().name,
    source="directory",
    pixels=pixels,
    labels=labels[chosen].astype(np.int32),
    ids=[source.path.relative_to(data_dir).as_posix() for source in drawn],
    # One name for all (anonymised) tells nothing.
    groups=group_numbers(keys) if len(set(keys)) > 1 else None,
    class_names=class_names,
  )


def brain(
  data_dir: Path,
  image_size: int,
  seed: int,
  num_images: int | None,
  cache_dir: Path | None,
  *,
  window: Window | None = None,
  depth: int | None = None,
) -> Dataset:
  """Reads head CT as `volumes` does, a folder per cause of haemorrhage; BRAIN_WINDOW by default."""
  dataset = volumes(
    data_dir,
    image_size,
    seed,
    num_images,
    cache_dir,
    window=BRAIN_WINDOW if window is None else window,
    depth=depth,
  )
  return dataclasses.replace(dataset, name="brain")


@dataclasses.dataclass(frozen=True)
class _Source:
  """A volume by its path and the files that it consists of."""

  path: Path
  files: list[Path]

  def look(self) -> Volume:
    return nifti.look(self.path) if self.path in self.files else dicom.look(self.files)

  def patient(self) -> str:
    return "" if self.path in self.files else dicom.patient(self.files)


def _listed(data_dir: Path) -> tuple[list[_Source], np.ndarray, tuple[str, ...]]:
  """The volumes in sorted order, their labels and the names of the classes."""
  folders.require_folder(data_dir, _LAYOUT)
  classes = [path for path in folders.visible(data_dir) if path.is_dir()]
  if not classes:
    raise InputError(f"{_LAYOUT} in {data_dir}", "no sub-folder", "check --data_dir")
  sources, labels = [], []
  for label, folder in enumerate(classes):
    for path in folders.visible(folder):
      is_nifti = path.is_file() and path.name.lower().endswith(nifti.SUFFIXES)
      files = [path] if is_nifti else dicom.slices(path) if path.is_dir() else []
      if files:
        sources.append(_Source(path, files))
        labels.append(label)
  return sources, np.array(labels, np.int32), tuple(path.name for path in classes)


def _decoded(
  looked: list[Volume], image_size: int, depth: int | None, limits: tuple[float, float] | None
) -> tuple[tuple[int, ...], Iterator[np.ndarray]]:
  """The shape of the whole, and its volumes uint16 [depth, image_size, image_size, 1] in order."""
  depth = depth or round(float(np.median([volume.shape[0] for volume in looked])))
  shape = (len(looked), depth, image_size, image_size, 1)
  if 2 * float(np.prod(shape, dtype=float)) > MAX_BYTES:
    raise InputError(
      f"volumes of at most {MAX_BYTES >> 30} GiB in all",
      f"{list(shape[:-1])}",
      "lower --image_size, --depth or --num_images",
    )
  if limits is None and any(volume.hounsfield for volume in looked):
    logging.info("CT without --window: level %g, width %g", *CT_WINDOW)

  def read(volume: Volume) -> np.ndarray:
    values = volume.read()  # [D, h, w]
    window = limits or (CT_WINDOW if volume.hounsfield else _own_window(values))
    return resize(windowed(values, *window)[..., None], image_size, depth)

  def images() -> Iterator[np.ndarray]:
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 4)) as pool:
      for index, image in enumerate(pool.map(read, looked)):
        logging.log_every_n_seconds(
          logging.INFO, "read %d of %d volumes", 10, index + 1, len(looked)
        )
        yield image

  return shape, images()


def windowed(values: np.ndarray, level: float, width: float) -> np.ndarray:
  """uint16 of the same shape: 0 at level - width / 2 and below, 65535 at level + width / 2."""
  unit = (values - np.float32(level)) / np.float32(width) + np.float32(0.5)
  return np.asarray(np.rint(65535 * np.clip(unit, 0, 1)), np.uint16)


def resize(pixels: np.ndarray, image_size: int, depth: int) -> np.ndarray:
  """Resizes uint16 [D, H, W, 1] to [depth, image_size, image_size, 1], linearly, antialiased."""
  planes = decode.resize(pixels, image_size)  # [D, S, S, 1]
  if len(planes) == depth:
    return planes
  table = planes.reshape(len(planes), -1, 1)  # [D, S^2, 1]: slices are the rows of one image
  with tf.device("CPU"):
    values = tf.image.resize(table, [depth, table.shape[1]], antialias=True)
    resized: np.ndarray = tf.cast(tf.clip_by_value(tf.round(values), 0, 65535), tf.uint16).numpy()
  return resized.reshape(depth, image_size, image_size, 1)


def _own_window(values: np.ndarray) -> tuple[float, float]:
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
    raise InputError(
      "--window=level,width, width above 0", ",".join(map(str, window)), "e.g. 40,80 for a brain"
    ) from None
  return level, width
