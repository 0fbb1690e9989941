import numpy as np
import pytest
from PIL import Image

from hfc_tf import data
from hfc_tf.errors import InputError

ROWS = {"7_left": 2, "7_right": 0, "12_left": 4, "0a1b": 1, "ffff": 3, "12_right": 0}


def _aptos(root, rows=ROWS, text=None):
  (root / "train_images").mkdir(parents=True, exist_ok=True)
  for name, grade in rows.items():
    suffix = "jpg" if name == "ffff" else "png"
    Image.new("RGB", (6, 6), (40 * grade, 0, 0)).save(root / "train_images" / f"{name}.{suffix}")
  lines = "".join(f"{name},{grade}\n" for name, grade in rows.items())
  (root / "train.csv").write_text(text or "\ufeffid_code,diagnosis\n" + lines, encoding="utf-8")


def test_any_retinopathy_against_none(tmp_path):
  _aptos(tmp_path)
  dataset = data.load("fundus", tmp_path, image_size=6)
  assert dataset.class_names == ("no DR", "DR")
  assert dataset.ids[0] == "train_images/0a1b.png" and dataset.ids[-1] == "train_images/ffff.jpg"
  grades = [ROWS[name.split("/")[1].split(".")[0]] for name in dataset.ids]
  assert dataset.labels.tolist() == [int(grade > 0) for grade in grades]
  np.testing.assert_array_equal(dataset.pixels[:5, 0, 0, 0], np.array(grades[:5]) * 40 * 257)
  by_eye = dict(zip(dataset.ids, dataset.groups, strict=True))
  assert by_eye["train_images/7_left.png"] == by_eye["train_images/7_right.png"]
  assert len(set(dataset.groups)) == 4


def test_five_grades(tmp_path):
  _aptos(tmp_path)
  dataset = data.load("fundus_grades", tmp_path, image_size=6)
  assert dataset.num_classes == 5
  assert np.bincount(dataset.labels).tolist() == [2, 1, 1, 1, 1]


def test_hashed_ids_have_no_groups(tmp_path):
  _aptos(tmp_path, {"aa": 0, "bb": 1})
  assert data.load("fundus", tmp_path, image_size=6).groups is None


@pytest.mark.parametrize(
  ("text", "message"),
  [
    ("id,level\n7_left,0\n", "columns id_code and diagnosis"),
    ("id_code,diagnosis\n7_left,5\n", "another for 7_left"),
    ("id_code,diagnosis\n7_left\n", "another for 7_left"),
    ("id_code,diagnosis\n7_left,0\n7_left,1\n", "1 ids twice"),
    ("id_code,diagnosis\n", "none"),
    ("id_code,diagnosis\n7_left,0\n../train_images/7_right,1\n", "none for 1 of 2"),
    ("id_code,diagnosis\n7_left,0\n7_right,0\n", "none of class DR"),
  ],
)
def test_bad_tables(tmp_path, text, message):
  _aptos(tmp_path, text=text)
  with pytest.raises(InputError, match=message):
    data.load("fundus", tmp_path, image_size=6)


def test_missing_parts(tmp_path):
  _aptos(tmp_path)
  (tmp_path / "train.csv").unlink()
  with pytest.raises(InputError, match=r"train\.csv"):
    data.load("fundus", tmp_path)
  with pytest.raises(InputError, match="nothing at"):
    data.load("fundus", tmp_path / "train_images")
