import numpy as np
import pytest
from PIL import Image

from hfc_tf import data
from hfc_tf.errors import InputError

FILES = (
  "test/NORMAL/IM-0001-0001.jpeg",
  "test/PNEUMONIA/person1_virus_6.jpeg",
  "train/NORMAL/IM-0001-0002-0001.png",
  "train/NORMAL/NORMAL2-IM-0001-0001.jpeg",
  "train/PNEUMONIA/person10_bacteria_1.jpg",
  "train/PNEUMONIA/person1_bacteria_2.jpeg",
  "train/PNEUMONIA/strange name.jpeg",
)


def _kaggle(root, files=FILES):
  for index, name in enumerate(files):
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    # Some of Kaggle's grey radiographs come as RGB.
    Image.new(("L", "RGB")[index % 2], (9, 7), (70, (70, 70, 70))[index % 2]).save(root / name)


def test_parts_are_pooled_and_names_carry_the_patient(tmp_path):
  _kaggle(tmp_path)
  (tmp_path / "train/NORMAL/.DS_Store").write_text("ignored")
  (tmp_path / "train/NORMAL/._IM-0001-0002-0001.png").write_text("ignored")
  dataset = data.load("chest", tmp_path, image_size=8)
  assert dataset.ids == list(FILES)
  assert dataset.labels.tolist() == [0, 1, 0, 0, 1, 1, 1]
  assert dataset.class_names == ("normal", "pneumonia")
  assert (dataset.name, dataset.source) == ("chest", "kaggle")
  assert dataset.pixels.shape == (7, 8, 8, 1)
  np.testing.assert_allclose(dataset.pixels, 70 * 257, atol=257)
  same = dataset.groups[:, None] == dataset.groups[None]
  pairs = {(i, j) for i, j in zip(*np.nonzero(same), strict=True) if i < j}
  assert pairs == {(0, 2), (1, 5)}


def test_nested_folder_of_kaggles_archive(tmp_path):
  _kaggle(tmp_path / "chest_xray")
  (tmp_path / "__MACOSX").mkdir()
  assert data.load("chest", tmp_path, image_size=8).ids == list(FILES)


def test_bad_folders(tmp_path):
  with pytest.raises(InputError, match="nothing at"):
    data.load("chest", tmp_path / "gone")
  with pytest.raises(InputError, match="empty"):
    data.load("chest", tmp_path)
  (tmp_path / "other").mkdir()
  with pytest.raises(InputError, match=r"found other; .*--dataset=folder"):
    data.load("chest", tmp_path)
  _kaggle(tmp_path, FILES[:1])
  (tmp_path / "test/PNEUMONIA").mkdir()
  with pytest.raises(InputError, match="none of class pneumonia"):
    data.load("chest", tmp_path)
