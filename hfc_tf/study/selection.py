"""Which images are attacked, towards which class: AdvTrain and AdvTest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hfc_tf.attacks import choose_targets
from hfc_tf.attacks.targets import RULES
from hfc_tf.data import splits
from hfc_tf.data.dataset import Dataset, stratified_subset
from hfc_tf.errors import InputError
from hfc_tf.study.config import Config
from hfc_tf.taps import Taps

Array = np.ndarray[Any, Any]


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
  """What is known before a classifier is trained: classes of too few Test images to be attacked.

  Raises:
    InputError: for a target that the data set does not have, or too few Test images of all classes
      but one.
  """
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


def select(
  config: Config, dataset: Dataset, split: splits.Split, test: Taps
) -> tuple[dict[str, Array], dict[str, Array], list[str]]:
  """AdvTrain and AdvTest: Test images that the classifier gets right, and their targets.

  Args:
    config: resolved.
    dataset: all images.
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
  limits, warnings = (config.max_adv_train, config.max_adv_test), []
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
  aims = [targets[np.searchsorted(split.test, rows)] for rows in chosen]
  names = ("adv_train", "adv_test")
  return dict(zip(names, chosen, strict=True)), dict(zip(names, aims, strict=True)), warnings


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
