"""Readers of tables beside a folder of images: name -> function(folder) -> Reader."""

import functools

from hfc_tf import data
from tests.fuzz.data_readers import SIDE, Reader, checked, images


def _beside(option, folder):
  """A table of labels, or of groups, outside of the folder of images."""
  images(".png")(folder / "images")
  names = [(path.name, path.parent.name) for path in sorted((folder / "images").rglob("*.png"))]
  rows = [f"{name},{label},p{number // 2}\n" for number, (name, label) in enumerate(names)]
  one_hot = [f"{name},{int(label == 'a')},{int(label == 'b')}\n" for name, label in names]
  tables = {
    "labels": ["image_id,dx,lesion_id\n" + "".join(rows), "image,A,B\n" + "".join(one_hot)],
    "groups": ["".join(f"{name},p{number // 2}\n" for number, (name, _) in enumerate(names))],
  }
  files = [("table.csv", table.encode()) for table in tables[option]]

  def read(_):
    given = {option: str(folder / "table.csv")}
    return checked(data.load("folder", folder / "images", SIDE, **given))

  return Reader(files, read)


READERS = {name: functools.partial(_beside, name) for name in ("labels", "groups")}
