"""A folder per class, and what all readers of folders share."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hfc_tf.data import decode
from hfc_tf.data.dataset import Dataset, check_labels, group_numbers, stratified_subset
from hfc_tf.errors import InputError


def folder(
  data_dir: Path, image_size: int, seed: int, num_images: int | None, cache_dir: Path | None
) -> Dataset:
  """Reads DATA_DIR/CLASS/IMAGE; the classes are the sub-folders in sorted order."""
  require_folder(data_dir, "one sub-folder of images per class")
  classes = [path for path in visible(data_dir) if path.is_dir()]
  if not classes:
    raise InputError(
      f"one sub-folder of images per class in {data_dir}", "no sub-folder", "check --data_dir"
    )
  files = [image_files(path) for path in classes]
  return from_files(
    name=data_dir.resolve().name,
    source="directory",
    root=data_dir,
    paths=[path for of_class in files for path in of_class],
    labels=np.repeat(np.arange(len(classes)), [len(of_class) for of_class in files]),
    class_names=tuple(path.name for path in classes),
    keys=None,
    image_size=image_size,
    seed=seed,
    num_images=num_images,
    cache_dir=cache_dir,
  )


def require_folder(path: Path, contents: str) -> None:
  """Raises InputError unless `path` is a folder that holds something."""
  if not path.is_dir():
    found = f"a file at {path}" if path.exists() else f"nothing at {path}"
    raise InputError(f"a folder with {contents}", found, "check --data_dir")
  if not visible(path):
    raise InputError(f"a folder with {contents}", f"{path}, empty", "check --data_dir")


def visible(path: Path) -> list[Path]:
  """Entries of a folder in sorted order, without hidden ones (.DS_Store, ._x)."""
  try:
    return sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
  except OSError as error:
    raise InputError(
      f"a readable folder {path}", error.strerror or str(error), "check its permissions"
    ) from None


def image_files(path: Path) -> list[Path]:
  """The visible image files in a folder, in sorted order."""
  return [
    entry for entry in visible(path) if entry.suffix.lower() in decode.SUFFIXES and entry.is_file()
  ]


def from_files(
  *,
  name: str,
  source: str,
  root: Path,
  paths: Sequence[Path],
  labels: np.ndarray,
  class_names: tuple[str, ...],
  keys: Sequence[str] | None,
  image_size: int,
  seed: int,
  num_images: int | None,
  cache_dir: Path | None,
  channels: int | None = None,
) -> Dataset:
  """Decodes labelled files to a Dataset.

  Args:
    name: what reports call it.
    source: "directory" or "kaggle".
    root: the folder that ids are relative to.
    paths: N files under `root`.
    labels: int [N].
    class_names: K names.
    keys: N strings, equal for files of one patient; None where nothing tells.
    image_size: side of the images, in pixels.
    seed: of the draw of `num_images`.
    num_images: how many to draw, by class; None reads all.
    cache_dir: where decoded images are kept.
    channels: 1 or 3, or None to go by the files.

  Raises:
    InputError: a class has no images, or a file cannot be read.
  """
  check_labels(labels, class_names, root)
  chosen = stratified_subset(labels, num_images, seed)
  check_labels(labels[chosen], class_names, f"the {len(chosen)} images drawn from {root}")
  files = [paths[index] for index in chosen]
  return Dataset(
    name=name,
    source=source,
    pixels=decode.decode_images(files, image_size, cache_dir, channels),
    labels=labels[chosen].astype(np.int32),
    ids=[path.relative_to(root).as_posix() for path in files],
    groups=None if keys is None else group_numbers([keys[index] for index in chosen]),
    class_names=class_names,
  )
