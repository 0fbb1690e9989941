"""Labels in a table beside the images, as those of HAM10000, ISIC and NIH come."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from hfc_tf.data.files import readable
from hfc_tf.errors import InputError

# Names of columns, in lower case; the first that is there counts.
_IMAGE = (
  "image_id", "image", "image_name", "image index", "filename", "file_name", "file", "isic_id",
  "id_code", "img", "id", "path",
)  # fmt: skip
_LABEL = ("dx", "diagnosis", "label", "class", "target", "category", "finding labels", "level")
_GROUP = ("lesion_id", "patient_id", "patient id", "patientid", "patient", "subject", "group")


class Labelled(NamedTuple):
  """What a table says of the images that are there."""

  paths: list[Path]
  labels: list[int]
  class_names: tuple[str, ...]
  groups: list[str] | None
  grouped_by: str
  skipped: Mapping[str, int]


def read(table: Path, files: Sequence[Path], skipped: Mapping[str, int]) -> Labelled:
  """The label of each file by a csv: a column of images and one of labels, or one-hot columns.

  Images are named by file, with or without the suffix. A column such as lesion_id or patient_id
  groups them. Where all other columns hold 0 and 1 with a single 1 a row, they are the classes.

  Args:
    table: the csv.
    files: the images that are there.
    skipped: what was left out before: reason -> number of files.

  Raises:
    InputError: no such table or columns, images that are missing, an image twice.
  """
  with readable("a csv of labels", table), table.open(newline="", encoding="utf-8-sig") as stream:
    reader = csv.DictReader(stream)
    rows, columns = list(reader), list(reader.fieldnames or ())
  lower = {name.strip().casefold(): name for name in columns}
  image, label, group = (
    next((lower[name] for name in names if name in lower), None)
    for names in (_IMAGE, _LABEL, _GROUP)
  )
  one_hot = [] if label else [name for name in columns if name not in (image, group)]
  if image is None or not rows or (label is None and not _is_one_hot(rows, one_hot)):
    expected = (
      f"a column of images ({', '.join(_IMAGE)}) and one of labels ({', '.join(_LABEL)}), or "
      "classes as columns of 0 and 1"
    )
    actual = f"{', '.join(columns) or 'none'} in {table}"
    raise InputError(expected, actual, "rename the columns")
  by_name = {key: path for path in files for key in (path.name, path.stem)}
  listed, missing, left = [], [], Counter(skipped)
  for row in rows:
    name = Path((row[image] or "").strip().replace("\\", "/")).name
    path = by_name.get(name)
    names = [row[label] or ""] if label else [each for each in one_hot if float(row[each] or 0)]
    if path is None:
      missing.append(name)
    elif not names[0].strip() or "|" in names[0]:
      left["several labels or none in the table"] += 1
    else:
      listed.append((path, names[0].strip(), (row[group] or "").strip() if group else ""))
  if missing:
    actual = f"none for {len(missing)} of {len(rows)}, {missing[0]} first"
    raise InputError(f"an image for every row of {table}", actual, "complete the images")
  if len({path for path, *_ in listed}) < len(listed):
    twice, _ = Counter(path.name for path, *_ in listed).most_common(1)[0]
    raise InputError(f"one row for each image in {table}", f"{twice} twice", "repair the table")
  unnamed = len(set(files)) - len(rows)
  if unnamed > 0:
    left["not in the table of labels"] += unnamed
  listed.sort()
  classes = tuple(sorted({name for _, name, _ in listed}))
  groups = [each or path.name for path, _, each in listed] if group else None
  return Labelled(
    [path for path, *_ in listed], [classes.index(name) for _, name, _ in listed], classes, groups,
    f"column {group}" if group else "", left,
  )  # fmt: skip


def _is_one_hot(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> bool:
  """Whether these columns hold 0 and 1, and each row a single 1."""
  try:
    values = [[float(row[name] or 0) for name in columns] for row in rows]
  except (ValueError, TypeError):
    return False
  return len(columns) > 1 and all(
    sum(each) == 1 and set(each) <= {0.0, 1.0} for each in values
  )
