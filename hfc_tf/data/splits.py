"""Who is trained on, who is attacked: seeded, stratified, grouped splits and their manifest."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from hfc_tf.data.dataset import Dataset, stratified_subset
from hfc_tf.errors import InputError
from hfc_tf.storage.files import write_files

PARTS = ("train", "test", "validation", "adv_train", "adv_test")
ADVERSARIAL_FOLDS = 10  # so many images a class needs to be attacked
_EMPTY = np.zeros(0, np.int64)


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
  """Sorted indices into a Dataset, int64; parts that do not exist (yet) are empty.

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
  everything = np.arange(len(dataset))
  _refuse_few(dataset, everything, 5, "Train and test")
  test = _folds(dataset, everything, 5, seed)[0]
  return _parted(dataset, everything, test, "Train and test")


def validation(
  dataset: Dataset, train: np.ndarray, seed: int, fraction: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
  """Parts Train into images to learn from and images to choose the checkpoint by.

  Args:
    dataset: what `train` points into.
    train: indices.
    seed: of the draw.
    fraction: of the validation images, at most 1/2.

  Returns:
    Sorted indices (rest of train, validation).
  """
  if not 0 < fraction <= 0.5:
    raise InputError("a validation fraction in (0, 0.5]", str(fraction), "use 0.1")
  folds = round(1 / fraction)
  _refuse_few(dataset, train, folds, "Train for validation")
  held_out = _folds(dataset, train, folds, seed)[0]
  return _parted(dataset, train, held_out, "Train for validation")


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
    max_adv_train, max_adv_test: at most so many in each, drawn by class.

  Returns:
    Sorted indices (adv_train, adv_test). A class of fewer than ten images, or of too few groups for
    both parts, is in neither.

  Raises:
    InputError: fewer than two classes are left.
  """
  counts = np.bincount(dataset.labels[test_correct], minlength=dataset.num_classes)
  rows = test_correct[counts[dataset.labels[test_correct]] >= ADVERSARIAL_FOLDS]
  folds = _folds(dataset, rows, ADVERSARIAL_FOLDS, seed) if len(rows) else []
  held_out = np.concatenate([_EMPTY, *folds[: max(1, round(0.3 * len(folds)))]])
  parts = [np.setdiff1d(rows, held_out), np.sort(held_out)]
  both = np.intersect1d(*(dataset.labels[part] for part in parts))
  if len(both) < 2:
    named = zip(dataset.class_names, counts.tolist(), strict=True)
    raise InputError(
      f"at least {ADVERSARIAL_FOLDS} images of two classes to split AdvTrain and AdvTest",
      ", ".join(f"{count} of class {name}" for name, count in named),
      "give more images or patients, or a better classifier",
    )
  parts = [part[np.isin(dataset.labels[part], both)] for part in parts]
  limits = (max_adv_train, max_adv_test)
  adv_train, adv_test = (
    part[stratified_subset(dataset.labels[part], limit, seed)]
    for part, limit in zip(parts, limits, strict=True)
  )
  return adv_train, adv_test


def straddling_groups(dataset: Dataset, first: np.ndarray, second: np.ndarray) -> int:
  """Counts the groups with images in both parts (a user's own split may not be grouped)."""
  if dataset.groups is None:
    return 0
  return len(np.intersect1d(dataset.groups[first], dataset.groups[second]))


def manifest(dataset: Dataset, split: Split) -> bytes:
  """The ids of each part as json."""
  described = {
    "schema": {"name": "split", "version": 1},
    "dataset": dataset.name,
    "num_classes": dataset.num_classes,
    "seed": split.seed,
  } | {part: [dataset.ids[index] for index in getattr(split, part)] for part in PARTS}
  return json.dumps(described, indent=0).encode()


def write_manifest(path: Path, dataset: Dataset, split: Split) -> None:
  """Writes the ids of each part as json, beside its place and then into it."""
  write_files(path.parent, {path.name: manifest(dataset, split)})


def read_manifest(path: Path, dataset: Dataset) -> Split:
  """Reads a manifest, ours or a user's: json with lists `train` and `test` of image ids.

  Ids are paths relative to the data folder; one that starts with the manifest's `root` and a slash
  is accepted too. `validation`, `adv_train`, `adv_test` and `seed` may be missing.

  Raises:
    InputError: not such a file, ids that the data set lacks, a part empty, or parts that overlap.
  """
  manifest = _manifest(path)
  for key, ours in (("dataset", dataset.name), ("num_classes", dataset.num_classes)):
    if manifest.get(key, ours) != ours:
      raise InputError(f"a split of {key} {ours}", f"{manifest[key]} in {path}", "check --split")
  root = str(manifest.get("root", "")) + "/"
  rows = {name: row for row, name in enumerate(dataset.ids)}
  parts = {}
  for part in PARTS:
    ids = manifest.get(part, [])
    found = [rows.get(name, rows.get(name.removeprefix(root))) for name in ids]
    missing = [name for name, row in zip(ids, found, strict=True) if row is None]
    if missing:
      raise InputError(
        f"images for all {len(ids)} ids of `{part}` in {path}",
        f"{len(missing)} that {dataset.name} lacks, {missing[0]} first",
        "check --data_dir and --split",
      )
    parts[part] = np.unique(np.array(found, np.int64))
    if len(parts[part]) < len(ids) or (not ids and part in ("train", "test")):
      raise InputError(
        f"different images in `{part}` of {path}",
        f"{len(ids) - len(parts[part])} twice" if ids else "none",
        "repair the file",
      )
  for first, second in (
    ("train", "test"),
    ("adv_train", "adv_test"),
    ("train", "adv_train"),
    ("train", "adv_test"),
  ):
    shared = np.intersect1d(parts[first], parts[second])
    if len(shared):
      raise InputError(
        f"`{first}` and `{second}` apart in {path}",
        f"{len(shared)} images in both, {dataset.ids[shared[0]]} first",
        "repair the file",
      )
  seed = manifest.get("seed")
  return Split(**parts, seed=seed if isinstance(seed, int) else None)


def _manifest(path: Path) -> dict[str, Any]:
  """Reads the json and checks its types."""
  wanted = f"a split file {path}: json with lists `train` and `test` of image ids"
  try:
    manifest = json.loads(path.read_text(encoding="utf-8"))
  except (OSError, ValueError, RecursionError) as error:
    found = error.strerror if isinstance(error, OSError) else str(error)
    raise InputError(wanted, found or "an error", "check --split") from None
  if not isinstance(manifest, dict) or not {"train", "test"} <= manifest.keys():
    raise InputError(wanted, "json without them", "check --split")
  for part in PARTS:
    ids = manifest.get(part, [])
    if not isinstance(ids, list) or not all(isinstance(name, str) for name in ids):
      raise InputError(wanted, f"`{part}` that is no list of strings", "repair the file")
  return manifest


def _refuse_few(dataset: Dataset, indices: np.ndarray, folds: int, what: str) -> None:
  """Raises an InputError unless every class has an image for each fold."""
  counts = np.bincount(dataset.labels[indices], minlength=dataset.num_classes)
  if counts.min() < folds:
    raise InputError(
      f"at least {folds} images of every class to split {what}",
      f"{counts.min()} of class {dataset.class_names[counts.argmin()]}",
      "use more images or fewer classes",
    )


def _folds(dataset: Dataset, indices: np.ndarray, folds: int, seed: int) -> list[np.ndarray]:
  """Parts `indices` into stratified folds that keep groups whole, at most one fold a group."""
  labels = dataset.labels[indices]
  groups = None if dataset.groups is None else dataset.groups[indices]
  if groups is not None and (patients := len(np.unique(groups))) < folds:
    if patients < 2:
      raise InputError("images of two patients to split", "those of one", "use more patients")
    logging.warning("only %d patients: parts of 1/%d instead of 1/%d", patients, patients, folds)
    folds = patients
  kind = StratifiedKFold if groups is None else StratifiedGroupKFold
  splitter = kind(folds, shuffle=True, random_state=seed)
  return [indices[fold] for _, fold in splitter.split(labels, labels, groups)]


def _parted(
  dataset: Dataset, indices: np.ndarray, held_out: np.ndarray, what: str
) -> tuple[np.ndarray, np.ndarray]:
  """Sorts both parts and checks that no class is missing: few groups may hold all of one."""
  parts = np.setdiff1d(indices, held_out), np.sort(held_out)
  for part in parts:
    lacking = set(range(dataset.num_classes)) - set(dataset.labels[part].tolist())
    if lacking:
      raise InputError(
        f"enough groups of class {dataset.class_names[min(lacking)]} to split {what}",
        "one part without any",
        "use more patients or images",
      )
  return parts
