"""Data sets by name: readers of real data, and the built-in phantoms."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import logging

from hfc_tf.errors import InputError
from hfc_tf.lazy import Registry, exports

if TYPE_CHECKING:
  from hfc_tf.data import splits as splits
  from hfc_tf.data import volumes
  from hfc_tf.data.dataset import Dataset, Listing
else:
  __getattr__, __dir__ = exports(__name__, {"Dataset": "dataset", "splits": ""})

# name -> reader(data_dir), which lists what is there
DATASETS: Registry[Callable[..., Listing]] = Registry({
  "chest": "hfc_tf.data.folders:chest",
  "fundus": "hfc_tf.data.folders:fundus",
  "fundus_grades": "hfc_tf.data.folders:fundus_grades",
  "cifar10": "hfc_tf.data.arrays:cifar10",
  "folder": "hfc_tf.data.folders:folder",
  "npz": "hfc_tf.data.arrays:npz",
  "volumes": "hfc_tf.data.volumes:volumes",
  "brain": "hfc_tf.data.volumes:brain",
  "brain_binary": "hfc_tf.data.volumes:brain",
})  # fmt: skip
PHANTOMS = ("chest", "fundus", "brain", "brain_binary")
VOLUMES = ("volumes", "brain", "brain_binary")
# What only some readers take.
OPTIONS = {"classes": tuple(DATASETS), "depth": (*VOLUMES, "npz"), "window": VOLUMES,
           "stored_bits": ("folder", "chest"),
           **dict.fromkeys(("exclude", "labels", "groups", "subsets"), ("folder",))}  # fmt: skip


def volumetric(name: str, data_dir: str | Path | None) -> bool:
  """Whether the images are volumes: of npz files their headers tell, without TensorFlow."""
  if name != "npz" or not data_dir:
    return name in VOLUMES
  from hfc_tf.data import archive

  return archive.volumetric(Path(data_dir))


def load(
  name: str,
  data_dir: str | Path | None = None,
  image_size: int = 64,
  seed: int = 0,
  num_images: int | None = None,
  cache_dir: str | Path | None = None,
  *,
  classes: Sequence[str] | None = None,
  window: volumes.Window | None = None,
  depth: int | None = None,
  stored_bits: int | None = None,
  exclude: Sequence[str] | None = None,
  labels: str | Path | None = None,
  groups: str | None = None,
  subsets: str | None = None,
) -> Dataset:
  """Reads a data set, or draws its built-in phantom where there is one and no `data_dir`.

  Args:
    name: a key of DATASETS, or "medmnist/NAME" or "tfds/NAME" through those libraries, see
      `hub.fetch`.
    data_dir: the folder (or npz file) to read.
    image_size: side of the images, in pixels; of volumes H and W.
    seed: of the phantom, and of the draw of `num_images`.
    num_images: how many to draw, by class; None reads all (a phantom: its own number).
    cache_dir: a folder in which decoded images are kept.
    classes: of data from files: the classes in the order of their labels, see `Dataset.ordered`.
    window: of volumes from files: (level, width) in their units, for CT Hounsfield units.
    stored_bits: of 16-bit image files: the bits that hold the image; None looks at their values.
    exclude: of name "folder", see `hfc_tf.data.folders.folder`.
    labels: of name "folder", see `hfc_tf.data.folders.folder`.
    groups: of name "folder", see `hfc_tf.data.folders.folder`.
    subsets: of name "folder", see `hfc_tf.data.folders.folder`.
    depth: of volumes from files: slices; None takes the median (npz: their own).

  Raises:
    InputError: unknown name, no data, or data that is not as expected.
  """
  if "/" in name and not data_dir:
    from hfc_tf.data import hub

    data_dir, name = hub.fetch(name, image_size, Path(cache_dir) if cache_dir else None), "npz"
  if name not in DATASETS:
    raise InputError(f"a data set out of {', '.join(DATASETS)}", name, "choose one of them")
  options: dict[str, Any] = {"window": window, "depth": depth, "stored_bits": stored_bits}
  options |= {"exclude": exclude, "labels": labels, "groups": groups, "subsets": subsets}
  options = {key: value for key, value in options.items() if value is not None}
  for key in [*options, *(["classes"] if classes else [])]:
    if data_dir and name in OPTIONS[key]:
      continue
    expected = f"--{key} with files of --dataset={', '.join(OPTIONS[key])}"
    actual = f"{name} from {data_dir}" if data_dir else f"{name} without --data_dir"
    raise InputError(expected, actual, "leave it out")
  if data_dir:
    with warnings.catch_warnings():
      # Pillow, nibabel and pydicom warn of many small faults that do no harm.
      warnings.simplefilter("ignore")
      listing = DATASETS[name](Path(data_dir), **options)
      dataset = listing.dataset(image_size, seed, num_images, cache_dir)
    return dataset.ordered(classes) if classes else dataset
  if name not in PHANTOMS:
    remedy = f"set --data_dir (only {', '.join(PHANTOMS)} have built-in phantoms)"
    raise InputError(f"a folder or file for data set {name}", "none", remedy)
  from hfc_tf.data import phantoms  # drawing needs more imports than reading

  logging.warning("no data_dir: %s images are synthetic, drawn by the built-in phantom", name)
  drawn = {} if num_images is None else {"num_images": num_images}
  phantom: Dataset = getattr(phantoms, name)(image_size=image_size, seed=seed, **drawn)
  return phantom
