"""Which images are trained on and which are attacked: Train and Test, AdvTrain and AdvTest."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from hfc_tf.attacks import choose_targets
from hfc_tf.attacks.targets import RULES
from hfc_tf.data import splits
from hfc_tf.data.dataset import Dataset, stratified_subset
from hfc_tf.errors import InputError
from hfc_tf.storage.arrays import Arrays
from hfc_tf.storage.keys import VERSIONS
from hfc_tf.storage.store import Store
from hfc_tf.study.config import Config
from hfc_tf.taps import Taps

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Selection:
  """The Test images that the classifier gets right.

  Attributes:
    rows_of: rows of the data set, of "adv_train" and "adv_test".
    targets: the classes that these are to be taken for; an image whose target is its own class is
      not attacked, but stands among the clean ones.
    dropped: how many Test images the classifier gets wrong.
    left_out: what to say of classes that are in neither.
  """

  rows_of: dict[str, Array]
  targets: dict[str, Array]
  dropped: int
  left_out: list[str]


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


def target_rule(rule: str, dataset: Dataset) -> str:
  """--target as `choose_targets` takes it: a rule, or a class by its name, or else by its number.

  Upper and lower case tell names apart only where they have to.

  Raises:
    InputError: for a class that the data set does not have.
  """
  names = list(dataset.class_names)
  if rule in RULES:
    return rule
  alike = [name for name in names if name.casefold() == rule.casefold()]
  if rule in names or len(alike) == 1:
    return str(names.index(rule if rule in names else alike[0]))
  if rule.isdecimal() and int(rule) < len(names):
    return str(int(rule))
  raise InputError(
    f"--target among {', '.join((*RULES, *names))} or a class from 0 to {len(names) - 1}",
    repr(rule),
    "name one of them",
  )


def check(config: Config, dataset: Dataset, split: splits.Split) -> list[str]:
  """What is known before a classifier is trained: whether it can be attacked.

  Returns:
    What to say of classes that have too few Test images to be attacked.

  Raises:
    InputError: for a target that the data set does not have, or too few Test images of all classes
      but one.
  """
  target_rule(config.target, dataset)
  if len(split.adv_train) and len(split.adv_test):
    return []
  counts = np.bincount(dataset.labels[split.test], minlength=dataset.num_classes)
  if (counts >= splits.ADVERSARIAL_FOLDS).sum() < 2:
    named = zip(dataset.class_names, counts.tolist(), strict=True)
    raise InputError(
      f"at least {splits.ADVERSARIAL_FOLDS} Test images of two classes, to attack them",
      ", ".join(f"{count} of class {name}" for name, count in named),
      "give more images",
    )
  return [
    f"Class {name} has {count} Test images, fewer than {splits.ADVERSARIAL_FOLDS}: it is not "
    "attacked."
    for name, count in zip(dataset.class_names, counts, strict=True)
    if count < splits.ADVERSARIAL_FOLDS
  ]


def select(config: Config, dataset: Dataset, split: splits.Split, test: Taps) -> Selection:
  """AdvTrain and AdvTest with their targets.

  Args:
    config: resolved.
    dataset: all images.
    split: may name AdvTrain and AdvTest; what the classifier gets wrong is left out of them.
    test: taps of the clean Test images, in the order of `split.test`.
  """
  correct = test.predictions == test.labels
  rule = target_rule(config.target, dataset)
  targets = choose_targets(test.labels, test.logits, rule, ids=split.test, seed=config.seed)
  by_row = dict(zip(split.test.tolist(), targets.tolist(), strict=True))
  limits = (config.max_adv_train, config.max_adv_test)
  given = bool(len(split.adv_train) and len(split.adv_test))
  if given:
    allowed = split.test[correct]
    adv_train, adv_test = (
      part[stratified_subset(dataset.labels[part], limit, config.seed)]
      for wanted, limit in zip((split.adv_train, split.adv_test), limits, strict=True)
      for part in [np.intersect1d(wanted, allowed)]
    )
  else:
    adv_train, adv_test = splits.adversarial(dataset, split.test[correct], config.seed, *limits)
  rows_of = {"adv_train": adv_train, "adv_test": adv_test}
  return Selection(
    rows_of,
    {part: np.array([by_row[row] for row in rows], np.int32) for part, rows in rows_of.items()},
    int((~correct).sum()),
    [] if given else list(_left_out(dataset, split.test, correct, rows_of)),
  )


def _left_out(
  dataset: Dataset, test: Array, correct: Array, rows_of: dict[str, Array]
) -> Iterator[str]:
  for label, name in enumerate(dataset.class_names):
    members = dataset.labels[test] == label
    rare = members.sum() < splits.ADVERSARIAL_FOLDS  # see `check`
    if not rare and not all((dataset.labels[rows] == label).any() for rows in rows_of.values()):
      yield (
        f"Class {name} is left out of the attack: of its {members.sum()} Test images the "
        f"classifier gets {correct[members].sum()} right, and AdvTrain and AdvTest together need "
        f"{splits.ADVERSARIAL_FOLDS} of several patients."
      )
