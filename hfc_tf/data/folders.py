"""Image files in folders: one folder per class, or as Kaggle's chest and fundus sets lie.

The chest X-rays are those of Kermany et al., Cell 2018; the fundus photographs of diabetic
retinopathy are those of APTOS 2019.
"""

import csv
import re
from functools import partial
from pathlib import Path

import numpy as np

from hfc_tf.data.dataset import Listing
from hfc_tf.data.decode import decode_images
from hfc_tf.data.files import class_folders, image_files, readable, require_folder, visible
from hfc_tf.errors import InputError

_CHEST = "{train,val,test}/{NORMAL,PNEUMONIA}/*.jpeg"
# person63_bacteria_306.jpeg, IM-0011-0001-0002.jpeg, NORMAL2-IM-0012-0001.jpeg
_PATIENT = re.compile(r"(person\d+|(?:NORMAL\d*-)?IM-\d+)[-_]")
_GRADES = ("no DR", "mild", "moderate", "severe", "proliferative")
_EYE = re.compile(r"^(\d+)_(?:left|right)$")  # EyePACS: both eyes of a patient


def folder(data_dir: Path, stored_bits: int | None = None) -> Listing:
  """Lists DATA_DIR/CLASS/IMAGE; the classes are the sub-folders in sorted order."""
  read = partial(decode_images, stored_bits=stored_bits)
  classes = class_folders(data_dir, "one sub-folder of images per class")
  paths = [path for folder in classes for path in image_files(folder)]
  names = tuple(folder.name for folder in classes)
  labels = [names.index(path.parent.name) for path in paths]
  name = data_dir.resolve().name
  return Listing(name, "directory", data_dir, labels, names, paths, read)


def chest(data_dir: Path, stored_bits: int | None = None) -> Listing:
  """Lists {train,val,test}/{NORMAL,PNEUMONIA}, pooled: the papers split anew.

  Kaggle's own parts are of no use as a split: `val` holds 16 images and `test` differs in its
  class proportions. Any of the three may be missing. The file name carries the patient. Radiographs
  are grey, whatever colour space the file has, so one channel is kept.
  """
  require_folder(data_dir, _CHEST)
  root, parents = data_dir, ("test", "train", "val")
  while not any((root / name).is_dir() for name in parents) and (root / "chest_xray").is_dir():
    root = root / "chest_xray"  # Kaggle's archive nests it
  places = [root / parent / name for parent in parents for name in ("NORMAL", "PNEUMONIA")]
  paths = [path for place in places if place.is_dir() for path in image_files(place)]
  if not paths:
    names = ", ".join(path.name for path in visible(root)[:5])
    remedy = "check --data_dir, or use --dataset=folder for other layouts"
    raise InputError(f"{_CHEST} in {root}", names, remedy)
  labels = [int(path.parent.name == "PNEUMONIA") for path in paths]
  classes, read = ("normal", "pneumonia"), partial(
    decode_images, channels=1, stored_bits=stored_bits
  )
  return Listing("chest", "kaggle", root, labels, classes, paths, read, _patients)


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
    found = f"another for {wrong[0]} in {table}"
    raise InputError("diagnoses 0 to 4", found, "correct or remove the line")
  twice = len(rows) - len(dict(rows))
  if twice or not rows:
    found = f"{twice} ids twice" if rows else "none"
    raise InputError(f"one line for each image in {table}", found, "repair the file")
  files = {path.stem: path for path in image_files(data_dir / "train_images")}
  missing = [image for image, _ in rows if image not in files]
  if missing:
    expected = f"an image for every id_code of {table}"
    found = f"none for {len(missing)} of {len(rows)}, {missing[0]} first"
    raise InputError(expected, found, "complete the download or remove the lines")
  images, grades = zip(*sorted(rows), strict=True)
  paths = [files[image] for image in images]
  labels = np.minimum(np.array(grades, int), len(class_names) - 1)
  return Listing(name, "kaggle", data_dir, labels, class_names, paths, decode_images, _eyes)


def _patients(radiographs: list[Path]) -> list[str]:
  matches = [_PATIENT.match(path.name) or [path, path] for path in radiographs]
  return [str(match[1]) for match in matches]


def _eyes(photographs: list[Path]) -> list[str]:
  return [_EYE.sub(r"\1", path.stem) for path in photographs]
