"""Chest X-rays in the layout of Kaggle's pneumonia set (Kermany et al., Cell 2018)."""

import re
from pathlib import Path

import numpy as np

from hfc_tf.data import folders
from hfc_tf.data.dataset import Dataset
from hfc_tf.errors import InputError

_PARTS = ("train", "val", "test")
_CLASSES = ("NORMAL", "PNEUMONIA")
# person63_bacteria_306.jpeg, IM-0011-0001-0002.jpeg, NORMAL2-IM-0012-0001.jpeg
_PATIENT = re.compile(r"(person\d+|(?:NORMAL\d*-)?IM-\d+)[-_]")


def chest(
  data_dir: Path, image_size: int, seed: int, num_images: int | None, cache_dir: Path | None
) -> Dataset:
  """Reads {train,val,test}/{NORMAL,PNEUMONIA}, pooled: the papers split anew.

  Kaggle's own parts are of no use as a split: `val` holds 16 images and `test` differs in its
  class proportions. Any of the three may be missing. The file name carries the patient. Radiographs
  are grey, whatever colour space the file has, so one channel is kept.
  """
  layout = "{train,val,test}/{NORMAL,PNEUMONIA}/*.jpeg"
  folders.require_folder(data_dir, layout)
  root = data_dir
  while not any((root / part).is_dir() for part in _PARTS) and (root / "chest_xray").is_dir():
    root = root / "chest_xray"  # Kaggle's archive nests it
  found = [
    (path, label)
    for part in _PARTS
    for label, name in enumerate(_CLASSES)
    if (root / part / name).is_dir()
    for path in folders.image_files(root / part / name)
  ]
  if not found:
    names = ", ".join(path.name for path in folders.visible(root)[:5])
    raise InputError(
      f"{layout} in {root}", names, "check --data_dir, or use --dataset=folder for other layouts"
    )
  found.sort(key=lambda item: item[0].relative_to(root).as_posix())
  paths = [path for path, _ in found]
  matches = [_PATIENT.match(path.name) for path in paths]
  return folders.from_files(
    name="chest",
    source="kaggle",
    root=root,
    paths=paths,
    labels=np.array([label for _, label in found]),
    class_names=("normal", "pneumonia"),
    keys=[m.group(1) if m else str(path) for m, path in zip(matches, paths, strict=True)],
    image_size=image_size,
    seed=seed,
    num_images=num_images,
    cache_dir=cache_dir,
    channels=1,
  )
