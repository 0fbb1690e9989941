"""Who is trained on, who is attacked: seeded, stratified, grouped splits and their manifest."""

import dataclasses
import json
from pathlib import Path

import numpy as np
from absl import logging

from hfc_tf.data.dataset import Dataset, stratified_subset
from hfc_tf.data.draw import held_out
from hfc_tf.data.files import readable
from hfc_tf.errors import InputError
from hfc_tf.storage.files import write_files

SUBSETS = ("train", "test", "validation", "adv_train", "adv_test")
ADVERSARIAL_FOLDS = 10  # so many images a class needs to be attacked
_EMPTY = np.zeros(0, np.int64)


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
  """Sorted indices into a Dataset, int64; those that do not exist (yet) are empty.

  Args:
    train: trains the classifier, with its `validation` images left in.
    test: the rest.
    validation: those of `train` that choose the checkpoint.
    adv_train: of the correctly classified test images, those that detectors learn from.
    adv_test: the other ones, on which all is measured.
    seed: of the draw, None if unknown.
  """

  train: np.ndarray
  test: np.ndarray
  validation: np.ndarray = dataclasses.field(default_factory=lambda: _EMPTY)
  adv_train: np.ndarray = dataclasses.field(default_factory=lambda: _EMPTY)
  adv_test: np.ndarray = dataclasses.field(default_factory=lambda: _EMPTY)
  seed: int | None = None


def train_test(dataset: Dataset, seed: int) -> tuple[np.ndarray, np.ndarray]:
  """Sorted indices of 80 % Train and 20 % test, as the papers split, by class and by group.

  Raises:
    InputError: a class has too few images or groups.
  """
  return _held_out(dataset, np.arange(len(dataset)), 5, seed, "Train and test")


def validation(
  dataset: Dataset, train: np.ndarray, seed: int, fraction: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
  """Sorted indices of the rest of `train`, and of a `fraction` that chooses the checkpoint.

  Where a class has a single patient in Train, its images are on both sides, with a warning.

  Raises:
    InputError: a fraction not in (0, 1/2], or a class has too few images or groups.
  """
  if not 0 < fraction <= 0.5:
    raise InputError("a validation fraction in (0, 0.5]", str(fraction), "use 0.1")
  folds, what = round(1 / fraction), "Train for validation"
  try:
    return _held_out(dataset, train, folds, seed, what)
  except InputError:
    if dataset.groups is None:
      raise
    logging.warning("too few patients in Train: those that choose the checkpoint also train")
    return _held_out(dataclasses.replace(dataset, groups=None), train, folds, seed, what)


def adversarial(
  dataset: Dataset,
  test_correct: np.ndarray,
  seed: int,
  max_adv_train: int | None = None,
  max_adv_test: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
  """Splits the correctly classified test images into 70 % AdvTrain and 30 % AdvTest.

  Args:
    dataset: what `test_correct` points into.
    test_correct: indices of the test images that the classifier gets right.
    seed: of the draw.
    max_adv_train: at most so many in each, drawn by class.
    max_adv_test: at most so many in each, drawn by class.

  Returns:
    Sorted indices (adv_train, adv_test). A class of fewer than ten images, or of too few groups for
    both, is in neither.

  Raises:
    InputError: fewer than two classes are left.
  """
  counts = np.bincount(dataset.labels[test_correct], minlength=dataset.num_classes)
  rows = test_correct[counts[dataset.labels[test_correct]] >= ADVERSARIAL_FOLDS]
  adv_test = held_out(dataset, rows, 0.3, ADVERSARIAL_FOLDS, seed) if len(rows) else _EMPTY
  subsets = np.setdiff1d(rows, adv_test), adv_test
  both = np.intersect1d(dataset.labels[subsets[0]], dataset.labels[adv_test])
  if len(both) < 2:
    expected = f"at least {ADVERSARIAL_FOLDS} images of two classes to split AdvTrain and AdvTest"
    named = zip(counts, dataset.class_names, strict=True)
    actual = ", ".join(f"{count} of class {name}" for count, name in named)
    raise InputError(expected, actual, "give more images or patients, or a better classifier")
  drawn = []
  for subset, limit in zip(subsets, (max_adv_train, max_adv_test), strict=True):
    subset = subset[np.isin(dataset.labels[subset], both)]
    drawn.append(subset[stratified_subset(dataset.labels[subset], limit, seed)])
  return drawn[0], drawn[1]


def straddling_groups(dataset: Dataset, first: np.ndarray, second: np.ndarray) -> int:
  """Counts the groups with images in both subsets (a user's own split may not be grouped)."""
  if dataset.groups is None:
    return 0
  return len(np.intersect1d(dataset.groups[first], dataset.groups[second]))


def manifest(dataset: Dataset, split: Split) -> bytes:
  """The ids of each subset as json."""
  described = {
    "schema": {"name": "split", "version": 1},
    "dataset": dataset.name,
    "num_classes": dataset.num_classes,
    "seed": split.seed,
  } | {name: [dataset.ids[index] for index in getattr(split, name)] for name in SUBSETS}
  return json.dumps(described, indent=0).encode()


def write_manifest(path: Path, dataset: Dataset, split: Split) -> None:
  """Writes the ids of each subset as json, beside its place and then into it."""
  write_files(path.parent, {path.name: manifest(dataset, split)})


def read_manifest(path: Path, dataset: Dataset) -> Split:
  """Reads a manifest, ours or a user's: json with lists `train` and `test` of image ids.

  Ids are paths relative to the data folder; one that starts with the manifest's `root` and a slash
  is accepted too. Without `test` it is what is not in `train`; a json list alone, or a text of an
  id a line, is `train`. `validation`, `adv_train`, `adv_test` and `seed` may be missing.

  Raises:
    InputError: not such a file, ids that the data set lacks, none of Train or Test, or overlaps.
  """
  with readable("a split file: json with lists `train` and `test` of ids", path, "check --split"):
    text = path.read_text(encoding="utf-8-sig")
    plain = text.lstrip()[:1] not in ("{", "[")
    entries = [line.strip() for line in text.splitlines()] if plain else json.loads(text)
    if isinstance(entries, list):  # of the images that the model was trained on
      entries = {"train": [name for name in entries if name]}
    if not isinstance(entries, dict) or "train" not in entries:
      raise ValueError("json without them")
    lists = {subset: entries.get(subset, []) for subset in SUBSETS}
    for subset, ids in lists.items():
      if not isinstance(ids, list) or not all(isinstance(name, str) for name in ids):
        raise ValueError(f"`{subset}` that is no list of strings")
  for key, ours in (("dataset", dataset.name), ("num_classes", dataset.num_classes)):
    if entries.get(key, ours) != ours:
      raise InputError(f"a split of {key} {ours}", f"{entries[key]} in {path}", "check --split")
  rows = {f"{entries.get('root', '')}/{name}": row for row, name in enumerate(dataset.ids)}
  rows |= {name: row for row, name in enumerate(dataset.ids)}
  subsets = {}
  for subset, ids in lists.items():
    missing = [name for name in ids if name not in rows]
    if missing:
      expected = f"images for all {len(ids)} ids of `{subset}` in {path}"
      actual = f"{len(missing)} that {dataset.name} lacks, {missing[0]} first"
      raise InputError(expected, actual, "check --data_dir and --split")
    subsets[subset] = np.unique(np.array([rows[name] for name in ids], np.int64))
    twice = len(ids) - len(subsets[subset])
    if twice or (not ids and (subset == "train" or (subset == "test" and "test" in entries))):
      actual = f"{twice} twice" if ids else "none"
      raise InputError(f"different images in `{subset}` of {path}", actual, "repair the file")
  if "test" not in entries:
    subsets["test"] = np.setdiff1d(np.arange(len(dataset)), subsets["train"])
    if not len(subsets["test"]):
      expected = f"images of {dataset.name} that are not in `train` of {path}, to test on"
      raise InputError(expected, "none", "name fewer in it")
  attacked = np.union1d(subsets["adv_train"], subsets["adv_test"])
  if len(outside := np.setdiff1d(attacked, subsets["test"])):
    logging.warning("%s: %d attacked images join `test`", path, len(outside))
    subsets["test"] = np.union1d(subsets["test"], outside)
  for pair in ("train test", "train adv_train", "train adv_test", "adv_train adv_test"):
    first, second = pair.split()
    shared = np.intersect1d(subsets[first], subsets[second])
    if len(shared):
      actual = f"{len(shared)} images in both, {dataset.ids[shared[0]]} first"
      raise InputError(f"`{first}` and `{second}` apart in {path}", actual, "repair the file")
  seed = entries.get("seed")
  return Split(**subsets, seed=seed if isinstance(seed, int) else None)


def _held_out(
  dataset: Dataset, indices: np.ndarray, folds: int, seed: int, what: str
) -> tuple[np.ndarray, np.ndarray]:
  """Sorted indices of the rest and of one part in `folds`, none of which lacks a class."""
  groups = np.arange(len(indices)) if dataset.groups is None else dataset.groups[indices]
  noun, fewest = ("images", folds) if dataset.groups is None else ("patients", 2)
  of_class = [groups[dataset.labels[indices] == label] for label in range(dataset.num_classes)]
  counts = np.array([len(np.unique(each)) for each in of_class])
  if counts.min() < fewest:
    expected = f"at least {fewest} {noun} of every class to split {what}"
    actual = f"{counts.min()} of class {dataset.class_names[counts.argmin()]}"
    raise InputError(expected, actual, "use more of them or fewer classes")
  fold = held_out(dataset, indices, 1 / folds, folds, seed)
  rest = np.setdiff1d(indices, fold)
  for subset in (rest, fold):  # patients of several classes may leave no other way
    counts = np.bincount(dataset.labels[subset], minlength=dataset.num_classes)
    if not counts.all():
      expected = f"enough patients of class {dataset.class_names[counts.argmin()]} to split {what}"
      raise InputError(expected, "a subset without any", "use more patients or images")
  return rest, fold
