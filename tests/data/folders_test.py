import numpy as np
import pytest
from PIL import Image

from hfc_tf import data
from hfc_tf.errors import InputError


def _image(path, value=0):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.fromarray(np.full((6, 6), value, np.uint8)).save(path)


def test_sub_folders_are_classes(tmp_path):
  for index in range(3):
    _image(tmp_path / "zebra" / f"{index}.png", 200 + index)
  _image(tmp_path / "ant" / "only.JPG", 0)
  (tmp_path / "ant" / "notes.txt").write_text("ignored")
  (tmp_path / "ant" / "._only.JPG").write_text("ignored")
  (tmp_path / ".DS_Store").write_text("ignored")
  dataset = data.load("folder", tmp_path, image_size=6)
  assert dataset.class_names == ("ant", "zebra")
  assert dataset.ids == ["ant/only.JPG", "zebra/0.png", "zebra/1.png", "zebra/2.png"]
  assert dataset.labels.dtype == np.int32 and dataset.labels.tolist() == [0, 1, 1, 1]
  assert dataset.pixels[:, 0, 0, 0].tolist() == [0, 200 * 257, 201 * 257, 202 * 257]
  assert (dataset.source, dataset.groups) == ("directory", None)


def test_num_images_are_drawn_before_decoding(tmp_path):
  for index in range(10):
    _image(tmp_path / "a" / f"{index}.png")
    _image(tmp_path / "b" / f"{index}.png")
  dataset = data.load("folder", tmp_path, 6, seed=1, num_images=4)
  assert np.bincount(dataset.labels).tolist() == [2, 2]
  with pytest.raises(InputError, match="none of class b in the 1 images drawn"):
    data.load("folder", tmp_path, 6, num_images=1)


def test_bad_folders(tmp_path):
  with pytest.raises(InputError, match="nothing at"):
    data.load("folder", tmp_path / "gone")
  with pytest.raises(InputError, match="empty; check --data_dir"):
    data.load("folder", tmp_path)
  _image(tmp_path / "flat.png")
  with pytest.raises(InputError, match="no sub-folder"):
    data.load("folder", tmp_path)
  with pytest.raises(InputError, match="a file at"):
    data.load("folder", tmp_path / "flat.png")
  _image(tmp_path / "a" / "1.png")
  with pytest.raises(InputError, match="at least two classes; found 1"):
    data.load("folder", tmp_path)
  (tmp_path / "b").mkdir()
  with pytest.raises(InputError, match="none of class b"):
    data.load("folder", tmp_path)
