"""The images that a study is about: Train and Test, and of Test those that are attacked."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from absl import logging
from scipy import optimize

from hfc_tf import data
from hfc_tf.attacks import choose_targets
from hfc_tf.attacks.targets import RULES
from hfc_tf.data import splits, summary
from hfc_tf.data.classes import places_of
from hfc_tf.data.dataset import Dataset, stratified_subset
from hfc_tf.errors import InputError
from hfc_tf.storage.hashing import digest
from hfc_tf.storage.keys import VERSIONS
from hfc_tf.storage.store import Store
from hfc_tf.study import grid
from hfc_tf.study.config import Config
from hfc_tf.taps import Taps

Array = np.ndarray[Any, Any]
_PERMUTED = 0.1  # how much more balanced accuracy another order of the outputs must give


@dataclasses.dataclass(frozen=True, eq=False)
class Sources:
  """All images with their labels, Train and Test; `key` hashes the images, see `content`."""

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
  """The images, given or read or drawn, and their split, given or drawn."""
  dataset = dataset or data.load(
    config.dataset, config.data_dir, config.image_size, config.seed, config.num_images,
    store.root / "decoded", classes=config.classes, window=config.window, depth=config.depth,
    stored_bits=config.stored_bits, exclude=config.exclude, labels=config.labels,
    groups=config.groups, subsets=config.subsets,
  )  # fmt: skip
  dataset = dataclasses.replace(dataset, grid=config.grid)
  grid.check("--eps", float(config.eps_256 or 0), dataset.levels)
  key = content(dataset)
  split = split or train_test(config, dataset, store, key)
  for line in summary.lines(summary.summary(dataset, split)):
    logging.info("%s", line)
  for warning in summary.warnings(dataset, split):
    warn(warning)
  fewest = int(np.bincount(dataset.labels[split.train], minlength=dataset.num_classes).min())
  if config.hfc and fewest < int(config.components or 1):
    raise InputError(
      f"at least {config.components} Train images of every class for as many components",
      f"{fewest}",
      "give more images or lower --components",
    )
  return Sources(dataset, split, key)


def content(dataset: Dataset) -> str:
  """Hashes every pixel and label, the grid, and the images' names, groups and classes."""
  given = (dataset.pixels, dataset.levels, dataset.labels, dataset.ids, dataset.groups)
  return digest(*given, dataset.class_names)


def train_test(config: Config, dataset: Dataset, store: Store, key: str) -> splits.Split:
  """The split of --split, or one drawn by the seed and kept; `key` is of the data's content."""
  if config.split:
    return splits.read_manifest(pathlib.Path(config.split), dataset)
  if dataset.trained is not None and (~dataset.trained).any():
    return splits.Split(np.flatnonzero(dataset.trained), np.flatnonzero(~dataset.trained))
  rows, _ = store.arrays(
    "split", VERSIONS["split"], {"data": key, "seed": config.seed},
    lambda: dict(zip(("train", "test"), splits.train_test(dataset, config.seed), strict=True)),
  )  # fmt: skip
  return splits.Split(**rows, seed=config.seed)


def target_rule(rule: str, dataset: Dataset) -> str:
  """--target as `choose_targets` takes it: a rule, or a class by its name, or else by its number.

  Upper and lower case tell names apart only where they have to.
  """
  names = dataset.class_names
  if rule in RULES:
    return rule
  if len(places := places_of(rule, names)) == 1:
    return str(places[0])
  if rule.isdecimal() and int(rule) < len(names):
    return str(int(rule))
  raise InputError(
    f"--target among {', '.join((*RULES, *names))} or a class from 0 to {len(names) - 1}",
    repr(rule),
    "name one of them",
  )


def check(config: Config, dataset: Dataset, split: splits.Split) -> list[str]:
  """Refuses what cannot be attacked, before any training; tells of classes that will not be."""
  target_rule(config.target, dataset)
  if len(split.adv_train) and len(split.adv_test):
    return []
  least = splits.ADVERSARIAL_FOLDS
  counts = np.bincount(dataset.labels[split.test], minlength=dataset.num_classes).tolist()
  named = list(zip(dataset.class_names, counts, strict=True))
  if sum(count >= least for count in counts) < 2:
    raise InputError(
      f"at least {least} Test images of two classes, to attack them",
      ", ".join(f"{count} of class {name}" for name, count in named),
      "give more images",
    )
  return [
    f"Class {name} has {count} Test images, fewer than {least}: it is not attacked."
    for name, count in named
    if count < least
  ]


def check_accuracy(
  config: Config, confusion: Sequence[Sequence[int]], class_names: Sequence[str]
) -> list[str]:
  """Refuses a classifier that is wrong too often on Test; tells if its classes may be permuted.

  The confusion matrix holds counts `[K][K]`, rows by true class.
  """
  counts = np.asarray(confusion)
  recalls = counts / np.maximum(counts.sum(1, keepdims=True), 1)
  accuracy, usual = np.trace(counts) / counts.sum(), "check --preprocessing, train longer"
  best, hint = optimize.linear_sum_assignment(recalls, maximize=True), ""
  if config.model_path and recalls[best].mean() > np.diag(recalls).mean() + _PERMUTED:
    order = ",".join(class_names[place] for place in np.argsort(best[1]))
    share = counts[best].sum() / counts.sum()
    hint = f"with the model's outputs in another order, --classes={order}, it is {share:.3f}"
  if accuracy < config.min_accuracy:
    raise InputError(
      f"a classifier with an accuracy of at least {config.min_accuracy:.2f} on Test",
      f"{accuracy:.3f}",
      hint or f"{usual}, or lower --min_accuracy",
    )
  return [f"The classifier's accuracy is {accuracy:.3f}; {hint}."] if hint else []


def select(
  config: Config, dataset: Dataset, split: splits.Split, test: Taps
) -> tuple[dict[str, Array], dict[str, Array], list[str]]:
  """AdvTrain and AdvTest: Test images that the classifier gets right, and their targets.

  Args:
    split: may name AdvTrain and AdvTest; what the classifier gets wrong is left out of them.
    test: taps of the clean Test images, in the order of `split.test`.

  Returns:
    Rows of the data set, of "adv_train" and "adv_test"; the classes that these are to be taken for
    (an image whose target is its own class is not attacked, but stands among the clean ones); and
    what to say of classes that are in neither.
  """
  correct = test.predictions == test.labels
  rule = target_rule(config.target, dataset)
  targets = choose_targets(test.labels, test.logits, rule, ids=split.test, seed=config.seed)
  limits, warnings = (config.max_adv_train or None, config.max_adv_test), []
  if len(split.adv_train) and len(split.adv_test):
    given = (
      np.intersect1d(rows, split.test[correct]) for rows in (split.adv_train, split.adv_test)
    )
    chosen = [
      rows[stratified_subset(dataset.labels[rows], limit, config.seed)]
      for rows, limit in zip(given, limits, strict=True)
    ]
  else:
    chosen = list(splits.adversarial(dataset, split.test[correct], config.seed, *limits))
    warnings = list(_left_out(dataset, split.test, correct, chosen))
  rows_of = dict(zip(("adv_train", "adv_test"), chosen, strict=True))
  places = {subset: np.searchsorted(split.test, rows) for subset, rows in rows_of.items()}
  return rows_of, {subset: targets[place] for subset, place in places.items()}, warnings


def _left_out(dataset: Dataset, test: Array, correct: Array, chosen: list[Array]) -> Iterator[str]:
  for label, name in enumerate(dataset.class_names):
    members = dataset.labels[test] == label
    rare = members.sum() < splits.ADVERSARIAL_FOLDS  # see `check`
    if not rare and not all((dataset.labels[rows] == label).any() for rows in chosen):
      yield (
        f"Class {name} is left out of the attack: of its {members.sum()} Test images the "
        f"classifier gets {correct[members].sum()} right, and AdvTrain and AdvTest together need "
        f"{splits.ADVERSARIAL_FOLDS} of several patients."
      )


def attacked_steps(config: Config, num_test: int) -> int:
  """About how many steps on single images `comparison.compare` takes, of all attacks."""
  adv_train, adv_test = round(0.7 * num_test), round(0.3 * num_test)  # if all are right
  adv_train = min(config.max_adv_train or adv_train, adv_train)
  adv_test = min(config.max_adv_test or adv_test, adv_test)
  forms = 1 + len(config.hfc_weights) * config.hfc
  return len(config.attacks) * int(config.steps or 0) * (adv_train + forms * adv_test)
