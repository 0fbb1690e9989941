"""What is in a data set before anything is trained on it, and what looks wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hfc_tf.data.files import IMAGES

if TYPE_CHECKING:
  from hfc_tf.data.dataset import Dataset
  from hfc_tf.data.splits import Split

_MOST_SHOWN = 8


def facts(
  items: Sequence[Any], labels: np.ndarray, class_names: Sequence[str]
) -> dict[str, dict[str, dict[str, int]]]:
  """How many files of each class are of each kind (suffix), mode and size: fact -> value -> class.

  Items that are no files give nothing.
  """
  paths = [item for item in items if isinstance(item, Path)]
  if len(paths) != len(items):
    return {}
  values = {"kind": [_kind(path) for path in paths]}
  if all(kind in IMAGES for kind in values["kind"]):
    from hfc_tf.data.decode import look  # imports TensorFlow

    with ThreadPoolExecutor() as pool:
      headers = list(pool.map(look, paths))
    values["mode"] = [header.mode for header in headers]
    values["size"] = [f"{header.width} x {header.height}" for header in headers]
  counted: dict[str, dict[str, dict[str, int]]] = {}
  for fact, each in values.items():
    counted[fact] = {value: {} for value, _ in Counter(each).most_common()}
    for (value, label), count in Counter(zip(each, labels.tolist(), strict=True)).items():
      counted[fact][value][class_names[label]] = count
  return counted


def summary(dataset: Dataset, split: Split) -> dict[str, Any]:
  """For results.json and the page: classes by subset, files, patients, what is left out."""
  subsets = {"train": split.train, "test": split.test}
  counts = {name: np.bincount(dataset.labels[rows], minlength=dataset.num_classes).tolist()
            for name, rows in subsets.items()}  # fmt: skip
  same = dataset.copies
  return {
    "images": len(dataset),
    "classes": {
      name: {subset: counts[subset][label] for subset in subsets}
      for label, name in enumerate(dataset.class_names)
    },
    "files": {
      fact: {value: sum(values[value].values()) for value in list(values)[:_MOST_SHOWN]}
      for fact, values in dataset.facts.items()
    },
    "patients": len(np.unique(dataset.groups)) if dataset.grouped_by and dataset.groups is not None
    else len(dataset) if dataset.grouped_by else None,
    "patients_by": dataset.grouped_by or None,
    "duplicates": None if same is None else int((same != np.arange(len(same))).sum()),
    "left_out": dict(dataset.skipped),
  }  # fmt: skip


def lines(given: Mapping[str, Any]) -> list[str]:
  """A `summary` as the terminal shows it."""
  classes = "; ".join(
    f"{name} {counts['train']} + {counts['test']}" for name, counts in given["classes"].items()
  )
  shown = [f"{given['images']} images, Train + Test: {classes}"]
  for fact, values in given["files"].items():
    shown.append(f"{fact}s: " + ", ".join(f"{value} ({n})" for value, n in values.items()))
  patients = f"{given['patients']} by {given['patients_by']}" if given["patients_by"] else "unknown"
  duplicates = "" if given["duplicates"] is None else f"; duplicates: {given['duplicates']}"
  shown.append(f"patients: {patients}{duplicates}")
  if given["left_out"]:
    left = ", ".join(f"{reason}: {count}" for reason, count in given["left_out"].items())
    shown.append(f"files left out: {left}")
  return shown


def warnings(dataset: Dataset, split: Split) -> Iterator[str]:
  """What may make the result wrong: patients, duplicates, files that tell the class."""
  if not dataset.grouped_by and dataset.source != "synthetic":
    yield "Patients unknown: images of one may be in both Train and Test (see --groups)."
  elif dataset.groups is not None:
    shared = len(np.intersect1d(dataset.groups[split.train], dataset.groups[split.test]))
    if shared:
      yield f"{shared} patients have images in both Train and Test of the given split."
  yield from _of_duplicates(dataset, split)
  for fact, values in dataset.facts.items():
    yield from _telling(fact, values)


def _of_duplicates(dataset: Dataset, split: Split) -> Iterator[str]:
  same = dataset.copies
  if same is None:
    return
  rows = np.flatnonzero(same != np.arange(len(same)))
  other = rows[dataset.labels[rows] != dataset.labels[same[rows]]]
  if len(other):
    yield (
      f"{len(other)} images have the same pixels as one of another class: "
      f"{dataset.ids[other[0]]} and {dataset.ids[same[other[0]]]} first."
    )
  crossing = split.test[np.isin(same[split.test], same[split.train])]
  if len(crossing):
    twin = split.train[np.flatnonzero(same[split.train] == same[crossing[0]])[0]]
    yield (
      f"{len(crossing)} Test images have the same pixels as one of Train: "
      f"{dataset.ids[crossing[0]]} and {dataset.ids[twin]} first."
    )


def _telling(fact: str, values: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
  """Whether a fact of the files nearly tells the class; values of few files are lumped together."""
  total = Counter[str]()
  for by_class in values.values():
    total.update(by_class)
  fewest = max(3, sum(total.values()) // 100)
  common = [Counter(by_class) for by_class in values.values() if sum(by_class.values()) >= fewest]
  rest = total - sum(common, Counter[str]())
  right = sum(max(each.values()) for each in (*common, rest) if each)
  accuracy, usual = right / sum(total.values()), max(total.values()) / sum(total.values())
  if accuracy - usual > 0.8 * (1 - usual):
    examples = ", ".join(
      f"{value}: " + " and ".join(f"{n} of {name}" for name, n in by_class.items())
      for value, by_class in list(values.items())[:3]
    )
    yield (
      f"File {fact} predicts the class ({100 * accuracy:.0f} % right, {examples}): what a "
      "classifier learns here may be the files."
    )


def _kind(path: Path) -> str:
  name = path.name.lower()
  if path.is_dir():
    return "DICOM"
  return ".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()
