"""Image files in folders: one folder per class, or as Kaggle's chest and fundus sets lie.

The chest X-rays are those of Kermany et al., Cell 2018; the fundus photographs of diabetic
retinopathy are those of APTOS 2019.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from absl import logging

from hfc_tf.data import patients as named
from hfc_tf.data import tables
from hfc_tf.data.dataset import Listing
from hfc_tf.data.decode import decode_images
from hfc_tf.data.files import (
  class_folders,
  image_files,
  image_tree,
  readable,
  require_folder,
  visible,
)
from hfc_tf.errors import InputError

_CLASSES = "one sub-folder of images per class"
_TRAIN, _TEST = ("train", "training", "val", "valid", "validation"), ("test", "testing")
_CHEST = "{train,val,test}/{NORMAL,PNEUMONIA}/*.jpeg"
_GRADES = ("no DR", "mild", "moderate", "severe", "proliferative")


def folder(
  data_dir: Path,
  stored_bits: int | None = None,
  exclude: Sequence[str] = (),
  labels: str | Path | None = None,
  groups: str | None = None,
  subsets: str = "split",
) -> Listing:
  """Lists DATA_DIR/CLASS/IMAGE, or what a table of labels names.

  The classes are the sub-folders in sorted order; images lie in them or deeper. Where train/ and
  test/ (val/, Training/, ...) stand above the classes, they are the split. `NAME_mask` beside
  `NAME` is no image of the class.

  Args:
    data_dir: the folder; one that holds nothing but another is stepped into.
    stored_bits: see `decode_images`.
    exclude: patterns of names or of paths below the folder that are left out.
    labels: a csv, see `hfc_tf.data.tables`; then the images lie anywhere below the folder.
    groups: a csv of file and group, or an expression whose first group is the patient.
    subsets: "split" or "pool", which draws a split of all.

  Raises:
    InputError: no such folder, no class, or a table that does not fit.
  """
  root = _root(data_dir)
  read = partial(decode_images, stored_bits=stored_bits)
  trained, patients, grouped_by = None, None, ""
  if labels is not None:
    table = tables.read(Path(labels), *image_tree(root, exclude))
    paths, numbers, names, skipped = table.paths, table.labels, table.class_names, table.skipped
    patients, grouped_by = table.groups, table.grouped_by
  else:
    tops = _subsets(root)
    places = [place for top in tops or [root] for place in class_folders(top, _CLASSES)]
    names = tuple(sorted({place.name for place in places}))
    trees = {place: image_tree(place, exclude, root) for place in places}
    paths = [path for files, _ in trees.values() for path in files]
    numbers = [names.index(place.name) for place, (files, _) in trees.items() for _ in files]
    skipped = sum((more for _, more in trees.values()), Counter())
    if tops and subsets == "split":
      tested = {top for top in tops if top.name.casefold() in _TEST}
      if 0 < len(tested) < len(tops):
        logging.info("%s are the split; --subsets=pool draws another", [top.name for top in tops])
        trained = partial(_is_trained, tested)
    if not grouped_by:
      deeper = [path.parent for path in paths if path.parent not in trees]
      if len(deeper) == len(paths) and len(set(deeper)) > len(places):
        patients = [path.parent.relative_to(root).as_posix() for path in paths]
        grouped_by = "sub-folders of the classes"
  ids = [path.relative_to(root).as_posix() for path in paths]
  if groups is not None:
    patients, grouped_by = named.given(ids, groups), "--groups"
  elif not grouped_by or grouped_by.startswith("sub-folders"):
    by_name, scheme = named.by_name(ids)
    patients, grouped_by = (by_name, f"names ({scheme})") if by_name else (patients, grouped_by)
  of = dict(zip(paths, patients or (), strict=False))
  return Listing(
    data_dir.resolve().name, "directory", root, numbers, names, paths, read,
    (lambda drawn: [of[path] for path in drawn]) if of else None, skipped, grouped_by, trained,
  )  # fmt: skip


def _root(data_dir: Path) -> Path:
  """The folder, or the only one in it if that holds several (archives are packed so)."""
  require_folder(data_dir, _CLASSES)
  entries = visible(data_dir)
  alone = len(entries) == 1 and entries[0].is_dir()
  inside = [path for path in visible(entries[0]) if path.is_dir()] if alone else []
  return entries[0] if len(inside) > 1 else data_dir


def _subsets(root: Path) -> list[Path]:
  """train/, val/ and test/ that stand above the classes, if that is what the folder holds."""
  tops = [path for path in visible(root) if path.is_dir()]
  known = [path for path in tops if path.name.casefold() in (*_TRAIN, *_TEST)]
  above = [path for path in known if any(each.is_dir() for each in visible(path))]
  return above if above and len(above) == len(tops) else []


def _is_trained(tested: set[Path], path: Path) -> bool:
  return not any(top in path.parents for top in tested)


def chest(data_dir: Path, stored_bits: int | None = None) -> Listing:
  """Lists {train,val,test}/{NORMAL,PNEUMONIA}, pooled: the papers split anew.

  Kaggle's own parts are of no use as a split: `val` holds 16 images and `test` differs in its
  class proportions. Any of the three may be missing. Kaggle's and Mendeley's file names carry the
  patient. Radiographs are grey, whatever colour space the file has, so one channel is kept.
  """
  require_folder(data_dir, _CHEST)
  root, parents = data_dir, ("test", "train", "val")
  while not any((root / name).is_dir() for name in parents) and (root / "chest_xray").is_dir():
    root = root / "chest_xray"  # Kaggle's archive nests it
  places = [root / parent / name for parent in parents for name in ("NORMAL", "PNEUMONIA")]
  trees = [image_tree(place, top=root) for place in places if place.is_dir()]
  paths = [path for files, _ in trees for path in files]
  if not paths:
    names = ", ".join(path.name for path in visible(root)[:5])
    remedy = "check --data_dir, or use --dataset=folder for other layouts"
    raise InputError(f"{_CHEST} in {root}", names, remedy)
  labels = [int("PNEUMONIA" in path.relative_to(root).parts[:2]) for path in paths]
  read = partial(decode_images, channels=1, stored_bits=stored_bits)
  ids = [path.relative_to(root).as_posix() for path in paths]
  schemes = ("Kermany's chest X-rays", "NIH's chest X-rays", "numbered patients")
  patients, scheme = named.by_name(ids, 0.5, schemes)
  of = dict(zip(paths, patients or (), strict=False))
  return Listing(
    "chest", "kaggle", root, labels, ("normal", "pneumonia"), paths, read,
    (lambda drawn: [of[path] for path in drawn]) if of else None,
    sum((more for _, more in trees), Counter()), f"names ({scheme})" if of else "",
  )  # fmt: skip


def fundus(data_dir: Path) -> Listing:
  """Lists train.csv and train_images/; any diabetic retinopathy against none, as the papers."""
  return _aptos(data_dir, "fundus", ("no DR", "DR"))


def fundus_grades(data_dir: Path) -> Listing:
  """Lists train.csv and train_images/; the five grades are the classes."""
  return _aptos(data_dir, "fundus grades", _GRADES)


def _aptos(data_dir: Path, name: str, class_names: tuple[str, ...]) -> Listing:
  require_folder(data_dir, "train.csv and train_images/")
  require_folder(data_dir / "train_images", "the images that train.csv names")
  table = data_dir / "train.csv"
  with readable("a readable table", table), table.open(newline="", encoding="utf-8-sig") as file:
    reader = csv.DictReader(file)
    columns = reader.fieldnames or ()
    rows = [(row.get("id_code", ""), row.get("diagnosis", "")) for row in reader]
  if not {"id_code", "diagnosis"} <= set(columns):
    raise InputError("columns id_code and diagnosis", f"{columns} in {table}", "repair the file")
  wrong = [image for image, grade in rows if grade not in ("0", "1", "2", "3", "4")]
  if wrong:
    actual = f"another for {wrong[0]} in {table}"
    raise InputError("diagnoses 0 to 4", actual, "correct or remove the line")
  twice = len(rows) - len(dict(rows))
  if twice or not rows:
    actual = f"{twice} ids twice" if rows else "none"
    raise InputError(f"one line for each image in {table}", actual, "repair the file")
  files = {path.stem: path for path in image_files(data_dir / "train_images")}
  missing = [image for image, _ in rows if image not in files]
  if missing:
    expected = f"an image for every id_code of {table}"
    actual = f"none for {len(missing)} of {len(rows)}, {missing[0]} first"
    raise InputError(expected, actual, "complete the download or remove the lines")
  images, grades = zip(*sorted(rows), strict=True)
  paths = [files[image] for image in images]
  labels = np.minimum(np.array(grades, int), len(class_names) - 1)
  return Listing(name, "kaggle", data_dir, labels, class_names, paths, decode_images, _eyes,
                 grouped_by="names (both eyes)")  # fmt: skip


def _eyes(photographs: list[Path]) -> list[str]:
  names = [path.stem for path in photographs]
  return named.by_name(names, 0, ("both eyes",))[0] or names
