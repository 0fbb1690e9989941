"""The order of a model's outputs: by names, or by the files in which frameworks keep them."""

import json

import numpy as np
import pytest
from PIL import Image

from hfc_tf import data
from hfc_tf.data import classes
from hfc_tf.errors import InputError

ORDER = ("pneumonia", "normal", "other one")


@pytest.mark.parametrize(
  "text",
  [
    "pneumonia\nnormal\n\nother one\n",
    "0 pneumonia\n1 normal\n2 other one\n",
    "1 normal\n2 other one\n0 pneumonia",
    json.dumps(ORDER),
    json.dumps({"normal": 1, "other one": 2, "pneumonia": 0}),
    json.dumps({"2": "other one", "0": "pneumonia", "1": "normal"}),
  ],
)
def test_files_of_names(tmp_path, text):
  path = tmp_path / "labels"
  path.write_text(text)
  assert classes.read([str(path)]) == ORDER
  assert classes.read(list(ORDER)) == ORDER


@pytest.mark.parametrize(
  "text", ["[", '{"a": "b"}', '{"a": 1, "b": 2}', "1 a\n2 b", '{"a": null}', '{"0": {}, "2": 1}']
)
def test_other_files_are_one_line(tmp_path, text):
  path = tmp_path / "labels.json"
  path.write_text(text)
  with pytest.raises(InputError, match="--classes: a name a line"):
    classes.read([str(path)])


@pytest.mark.parametrize(
  "names", [("a", "b"), ("a", "b", "c", "d"), ("a", "a", "b"), ("a", "b", "A"), ("labels.txt",)]
)
def test_names_must_be_those_of_the_data(names):
  with pytest.raises(InputError, match="--classes with each of a, b, C once"):
    classes.order(names, ("a", "b", "C"))
  assert classes.order(("c", "a", "b"), ("a", "b", "C")) == [2, 0, 1]
  assert classes.order(("A", "a"), ("a", "A")) == [1, 0]


def test_labels_follow_the_order_and_images_keep_their_class(tmp_path):
  for name, value in (("a", 10), ("b", 20), ("c", 30)):
    for copy in range(3):
      (tmp_path / name).mkdir(exist_ok=True)
      image = Image.fromarray(np.full((8, 8), value + copy, np.uint8))
      image.save(tmp_path / name / f"{copy}.png")
  usual = data.load("folder", tmp_path, 8)
  other = data.load("folder", tmp_path, 8, classes=("c", "A", "b"))
  assert other.class_names == ("c", "a", "b")
  assert usual.ids == other.ids
  names = [[each.class_names[label] for label in each.labels] for each in (usual, other)]
  assert names[0] == names[1] == [name.split("/")[0] for name in usual.ids]
  np.testing.assert_array_equal(usual.pixels, other.pixels)
