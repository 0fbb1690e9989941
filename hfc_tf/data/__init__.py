"""Data sets by name: readers of real data, and the built-in phantoms."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import logging

from hfc_tf.data import aptos, cifar10, folders, kaggle_chest, npz, volumes
from hfc_tf.data.dataset import Dataset
from hfc_tf.errors import InputError

DATASETS: dict[str, Callable[..., Dataset]] = {
  "chest": kaggle_chest.chest,
  "fundus": aptos.fundus,
  "fundus_grades": aptos.fundus_grades,
  "cifar10": cifar10.cifar10,
  "folder": folders.folder,
  "npz": npz.npz,
  "volumes": volumes.volumes,
  "brain": volumes.brain,
  "brain_binary": volumes.brain,
}
PHANTOMS = ("chest", "fundus", "brain", "brain_binary")
VOLUMES = ("volumes", "brain", "brain_binary")


def load(
  name: str,
  data_dir: str | Path | None = None,
  image_size: int = 64,
  seed: int = 0,
  num_images: int | None = None,
  cache_dir: str | Path | None = None,
  *,
  window: volumes.Window | None = None,
  depth: int | None = None,
) -> Dataset:
  """Reads a data set, or draws its built-in phantom where there is one and no `data_dir`.

  Args:
    name: a key of DATASETS.
    data_dir: the folder (or npz file) to read.
    image_size: side of the images, in pixels; of volumes H and W.
    seed: of the phantom, and of the draw of `num_images`.
    num_images: how many to draw, by class; None reads all (a phantom: its own number).
    cache_dir: a folder in which decoded images are kept.
    window: of volumes from files: (level, width) in their units, for CT Hounsfield units.
    depth: of volumes from files: slices; None takes the median.

  Raises:
    InputError: unknown name, no data, or data that is not as expected.
  """
  if name not in DATASETS:
    raise InputError(f"a data set out of {', '.join(DATASETS)}", name, "choose one of them")
  options: dict[str, Any] = {"window": window, "depth": depth}
  options = {key: value for key, value in options.items() if value is not None}
  if options and not (data_dir and name in VOLUMES):
    raise InputError(
      f"--{' and --'.join(options)} with volumes from files ({', '.join(VOLUMES)})",
      f"{name} from {data_dir}" if data_dir else f"{name} without --data_dir",
      "leave it out",
    )
  if data_dir:
    cache = None if cache_dir is None else Path(cache_dir)
    return DATASETS[name](Path(data_dir), image_size, seed, num_images, cache, **options)
  if name not in PHANTOMS:
    raise InputError(
      f"a folder or file for data set {name}",
      "none",
      f"set --data_dir (only {', '.join(PHANTOMS)} have built-in phantoms)",
    )
  from hfc_tf.data import phantoms  # drawing needs more imports than reading

  logging.warning("no data_dir: %s images are synthetic, drawn by the built-in phantom", name)
  drawn = {} if num_images is None else {"num_images": num_images}
  phantom: Dataset = getattr(phantoms, name)(image_size=image_size, seed=seed, **drawn)
  return phantom
