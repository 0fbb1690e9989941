"""Data sets by name: readers of real data, and the built-in phantoms."""

from collections.abc import Callable
from pathlib import Path

from absl import logging

from hfc_tf.data import aptos, cifar10, folders, kaggle_chest, npz
from hfc_tf.data.dataset import Dataset
from hfc_tf.errors import InputError

DATASETS: dict[str, Callable[..., Dataset]] = {
  "chest": kaggle_chest.chest,
  "fundus": aptos.fundus,
  "fundus_grades": aptos.fundus_grades,
  "cifar10": cifar10.cifar10,
  "folder": folders.folder,
  "npz": npz.npz,
}
PHANTOMS = ("chest", "fundus")


def load(
  name: str,
  data_dir: str | Path | None = None,
  image_size: int = 64,
  seed: int = 0,
  num_images: int | None = None,
  cache_dir: str | Path | None = None,
) -> Dataset:
  """Reads a data set, or draws its built-in phantom where there is one and no `data_dir`.

  Args:
    name: a key of DATASETS.
    data_dir: the folder (or npz file) to read.
    image_size: side of the images, in pixels.
    seed: of the phantom, and of the draw of `num_images`.
    num_images: how many to draw, by class; None reads all (a phantom: its own number).
    cache_dir: a folder in which decoded images are kept.

  Raises:
    InputError: unknown name, no data, or data that is not as expected.
  """
  if name not in DATASETS:
    raise InputError(f"a data set out of {', '.join(DATASETS)}", name, "choose one of them")
  if data_dir:
    cache = None if cache_dir is None else Path(cache_dir)
    return DATASETS[name](Path(data_dir), image_size, seed, num_images, cache)
  if name not in PHANTOMS:
    raise InputError(
      f"a folder or file for data set {name}",
      "none",
      f"set --data_dir (only {' and '.join(PHANTOMS)} have built-in phantoms)",
    )
  from hfc_tf.data import phantoms  # drawing needs more imports than reading

  logging.warning("no data_dir: %s images are synthetic, drawn by the built-in phantom", name)
  drawn = {} if num_images is None else {"num_images": num_images}
  phantom: Dataset = getattr(phantoms, name)(image_size=image_size, seed=seed, **drawn)
  return phantom
