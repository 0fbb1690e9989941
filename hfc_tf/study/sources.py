"""The images that a study is about, and their split into Train and Test."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np

from hfc_tf import data
from hfc_tf.data import splits
from hfc_tf.data.dataset import Dataset
from hfc_tf.errors import InputError
from hfc_tf.storage.hashing import digest
from hfc_tf.storage.keys import VERSIONS
from hfc_tf.storage.store import Store
from hfc_tf.study.config import Config


@dataclasses.dataclass(frozen=True, eq=False)
class Sources:
  """The images of a study.

  Attributes:
    dataset: all images with their labels. key: hashes all that is made from; see `content`.
    split: Train and Test.
  """

  dataset: Dataset
  split: splits.Split
  key: str


def load_sources(
  store: Store,
  config: Config,
  warn: Callable[[str], None],
  dataset: Dataset | None = None,
  split: splits.Split | None = None,
) -> Sources:
  """The images, given or read or drawn, and their split, given or drawn.

  Raises:
    InputError: for images that cannot be read, or too few of them for the components.
  """
  dataset = dataset or data.load(
    config.dataset, config.data_dir, config.image_size, config.seed, config.num_images,
    store.root / "decoded", window=config.window, depth=config.depth,
  )  # fmt: skip
  key = content(dataset)
  split = split or train_test(config, dataset, store, key)
  if shared := splits.straddling_groups(dataset, split.train, split.test):
    warn(f"{shared} patients have images in both Train and Test of the given split.")
  fewest = int(np.bincount(dataset.labels[split.train], minlength=dataset.num_classes).min())
  if config.hfc and fewest < int(config.components or 1):
    raise InputError(
      f"at least {config.components} Train images of every class for as many components",
      f"{fewest}",
      "give more images or lower --components",
    )
  return Sources(dataset, split, key)


def content(dataset: Dataset) -> str:
  """Hashes every pixel and label, and the images' names, groups and classes."""
  return digest(dataset.pixels, dataset.labels, dataset.ids, dataset.groups, dataset.class_names)


def train_test(config: Config, dataset: Dataset, store: Store, key: str) -> splits.Split:
  """The split of --split, or one drawn by the seed and kept; `key` is of the data's content."""
  if config.split:
    return splits.read_manifest(pathlib.Path(config.split), dataset)
  rows, _ = store.arrays(
    "split", VERSIONS["split"], {"data": key, "seed": config.seed},
    lambda: dict(zip(("train", "test"), splits.train_test(dataset, config.seed), strict=True)),
  )  # fmt: skip
  return splits.Split(**rows, seed=config.seed)
