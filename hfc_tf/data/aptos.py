"""Fundus photographs in the layout of APTOS 2019 (diabetic retinopathy)."""

import csv
import re
from pathlib import Path

import numpy as np

from hfc_tf.data import folders
from hfc_tf.data.dataset import Dataset
from hfc_tf.errors import InputError

_GRADES = ("no DR", "mild", "moderate", "severe", "proliferative")
_EYE = re.compile(r"(\d+)_(?:left|right)")  # EyePACS: both eyes of a patient


def fundus(
  data_dir: Path, image_size: int, seed: int, num_images: int | None, cache_dir: Path | None
) -> Dataset:
  """Reads train.csv and train_images/; any diabetic retinopathy against none, as the papers."""
  return _read(data_dir, image_size, seed, num_images, cache_dir, grades=False)


def fundus_grades(
  data_dir: Path, image_size: int, seed: int, num_images: int | None, cache_dir: Path | None
) -> Dataset:
  """Reads train.csv and train_images/; the five grades are the classes."""
  return _read(data_dir, image_size, seed, num_images, cache_dir, grades=True)


def _read(
  data_dir: Path,
  image_size: int,
  seed: int,
  num_images: int | None,
  cache_dir: Path | None,
  grades: bool,
) -> Dataset:
  folders.require_folder(data_dir, "train.csv and train_images/")
  folders.require_folder(data_dir / "train_images", "the images that train.csv names")
  diagnoses = _diagnoses(data_dir / "train.csv")
  files = {path.stem: path for path in folders.image_files(data_dir / "train_images")}
  missing = [name for name in diagnoses if name not in files]
  if missing:
    raise InputError(
      f"an image in {data_dir / 'train_images'} for every id_code of train.csv",
      f"none for {len(missing)} of {len(diagnoses)}, {missing[0]} first",
      "complete the download or remove the lines",
    )
  labels = np.array(list(diagnoses.values()))
  eyes = [_EYE.fullmatch(name) for name in diagnoses]
  return folders.from_files(
    name="fundus grades" if grades else "fundus",
    source="kaggle",
    root=data_dir,
    paths=[files[name] for name in diagnoses],
    labels=labels if grades else np.minimum(labels, 1),
    class_names=_GRADES if grades else ("no DR", "DR"),
    keys=[eye.group(1) if eye else name for eye, name in zip(eyes, diagnoses, strict=True)],
    image_size=image_size,
    seed=seed,
    num_images=num_images,
    cache_dir=cache_dir,
  )


def _diagnoses(path: Path) -> dict[str, int]:
  """Reads id_code -> diagnosis, sorted by id."""
  try:
    with path.open(newline="", encoding="utf-8-sig") as file:
      reader = csv.DictReader(file)
      if not {"id_code", "diagnosis"} <= set(reader.fieldnames or ()):
        raise InputError(
          "columns id_code and diagnosis", f"{reader.fieldnames} in {path}", "repair the file"
        )
      rows = [(row["id_code"], row["diagnosis"]) for row in reader]
  except (OSError, UnicodeDecodeError, csv.Error) as error:
    raise InputError(f"a readable table {path}", str(error), "check --data_dir") from None
  wrong = [name for name, grade in rows if grade not in ("0", "1", "2", "3", "4")]
  if wrong:
    raise InputError(
      "diagnoses 0 to 4", f"another for {wrong[0]} in {path}", "correct or remove the line"
    )
  if not rows or len(dict(rows)) < len(rows):
    found = f"{len(rows) - len(dict(rows))} ids twice" if rows else "none"
    raise InputError(f"one line for each image in {path}", found, "repair the file")
  return {name: int(grade) for name, grade in sorted(rows)}
