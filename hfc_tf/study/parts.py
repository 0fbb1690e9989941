"""Who is trained on and who is attacked: Train and Test, AdvTrain and AdvTest."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import numpy as np

from hfc_tf.attacks import choose_targets
from hfc_tf.data import splits
from hfc_tf.data.dataset import Dataset, stratified_subset
from hfc_tf.storage.arrays import Arrays
from hfc_tf.storage.keys import VERSIONS
from hfc_tf.storage.store import Store
from hfc_tf.study.config import Config
from hfc_tf.taps import Taps

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Attackable:
  """The Test images that the classifier gets right.

  Attributes:
    rows_of: rows of the data set, of "adv_train" and "adv_test".
    targets: the classes that these are to be taken for.
    dropped: how many Test images the classifier gets wrong.
  """

  rows_of: dict[str, Array]
  targets: dict[str, Array]
  dropped: int


def train_test(
  config: Config, dataset: Dataset, store: Store | None = None, key: str = ""
) -> splits.Split:
  """The split of --split, or one drawn by the seed.

  Args:
    config: says which.
    dataset: all images.
    store: where a drawn split is kept. key: of the data set's content.
  """
  if config.split:
    return splits.read_manifest(pathlib.Path(config.split), dataset)

  def draw() -> Arrays:
    return dict(zip(("train", "test"), splits.train_test(dataset, config.seed), strict=True))

  inputs = {"data": key, "seed": config.seed}
  rows = store.arrays("split", VERSIONS["split"], inputs, draw)[0] if store else draw()
  return splits.Split(**rows, seed=config.seed)


def attackable(config: Config, dataset: Dataset, split: splits.Split, test: Taps) -> Attackable:
  """AdvTrain and AdvTest with their targets.

  Args:
    config: resolved.
    dataset: all images.
    split: may name AdvTrain and AdvTest; what the classifier gets wrong is left out of them.
    test: taps of the clean Test images, in the order of `split.test`.
  """
  correct = test.predictions == test.labels
  targets = choose_targets(
    test.labels, test.logits, config.target, ids=split.test, seed=config.seed
  )
  usable = correct & (targets != test.labels)
  by_row = dict(zip(split.test.tolist(), targets.tolist(), strict=True))
  limits = (config.max_adv_train, config.max_adv_test)
  if len(split.adv_train) and len(split.adv_test):
    allowed = split.test[usable]
    adv_train, adv_test = (
      part[stratified_subset(dataset.labels[part], limit, config.seed)]
      for given, limit in zip((split.adv_train, split.adv_test), limits, strict=True)
      for part in [np.intersect1d(given, allowed)]
    )
  else:
    adv_train, adv_test = splits.adversarial(dataset, split.test[usable], config.seed, *limits)
  rows_of = {"adv_train": adv_train, "adv_test": adv_test}
  return Attackable(
    rows_of,
    {part: np.array([by_row[row] for row in rows], np.int32) for part, rows in rows_of.items()},
    int((~correct).sum()),
  )
