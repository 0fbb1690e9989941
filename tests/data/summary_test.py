import os
import zlib

import numpy as np
import pytest
from PIL import Image

from hfc_tf import data
from hfc_tf.data import splits, summary
from hfc_tf.data.splits import Split
from hfc_tf.errors import InputError


def save(path, seed, size=(8, 8)):
  path.parent.mkdir(parents=True, exist_ok=True)
  image = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
  Image.fromarray(image).save(path)


def seed(*names):
  return zlib.crc32(repr(names).encode())


def halves(dataset):
  rows = np.arange(len(dataset))
  return Split(rows[::2], rows[1::2])


def test_masks_and_other_files_are_counted_not_read(tmp_path):
  for label in ("benign", "malignant"):
    for index in range(3):
      save(tmp_path / "BUSI" / label / f"{label} ({index}).png", index)
      save(tmp_path / "BUSI" / label / f"{label} ({index})_mask.png", 9 + index)
    save(tmp_path / "BUSI" / label / f"{label} (0)_mask_1.png", 20)
    save(tmp_path / "BUSI" / label / "old.png", 30)
    (tmp_path / "BUSI" / label / "notes.txt").write_text("x")
  (tmp_path / "__MACOSX" / "BUSI").mkdir(parents=True)
  dataset = data.load("folder", tmp_path, 8, exclude=("old*",))
  assert len(dataset) == 6 and dataset.ids[0] == "benign/benign (0).png"
  assert dataset.skipped == {
    "a mask beside its image": 8, "no image (.txt)": 2, "excluded by --exclude": 2,
  }  # fmt: skip
  save(tmp_path / "BUSI" / "benign" / "lone_mask.png", 40)  # beside no image: one itself
  assert len(data.load("folder", tmp_path, 8, exclude=("old*",))) == 7


def test_folders_above_the_classes_are_the_split_or_pooled(tmp_path):
  for subset, count in (("Training", 8), ("Testing", 4)):
    for label in ("glioma", "notumor"):
      for index in range(count):
        save(tmp_path / subset / label / f"{index}.jpg", seed(subset, label, index))
  dataset = data.load("folder", tmp_path, 8)
  assert dataset.class_names == ("glioma", "notumor") and len(dataset) == 24
  assert [name.startswith("Training") for name in dataset.ids] == dataset.trained.tolist()
  assert data.load("folder", tmp_path, 8, subsets="pool").trained is None


def test_sub_folders_of_a_class_are_read_and_may_be_patients(tmp_path):
  for label in "ab":
    for who in range(3):
      for index in range(2):
        save(tmp_path / label / f"{label}{who}" / f"{index}.png", seed(label, who, index))
  dataset = data.load("folder", tmp_path, 8)
  assert len(dataset) == 12 and dataset.grouped_by == "sub-folders of the classes"
  assert len(np.unique(dataset.groups)) == 6
  dataset = data.load("folder", tmp_path, 8, groups=r"(^\w)")
  assert dataset.grouped_by == "--groups" and len(np.unique(dataset.groups)) == 2


def test_patients_unknown_is_said_and_a_summary_given(tmp_path):
  for label, count in (("a", 10), ("b", 6)):
    for index in range(count):
      save(tmp_path / label / f"{index}.png", seed(label, index))
  dataset = data.load("folder", tmp_path, 8)
  split = splits.Split(*splits.train_test(dataset, 0))
  facts = summary.summary(dataset, split)
  assert facts["classes"] == {"a": {"train": 8, "test": 2}, "b": {"train": 4, "test": 2}}
  assert facts["files"] == {"kind": {".png": 16}, "mode": {"L": 16}, "size": {"8 x 8": 16}}
  assert facts["patients"] is None and facts["duplicates"] == 0
  assert "Patients unknown" in "".join(summary.warnings(dataset, split))
  assert "patients: unknown; duplicates: 0" in summary.lines(facts)


def test_duplicates_are_kept_together_and_named(tmp_path):
  for label in "ab":
    for index in range(10):
      save(tmp_path / label / f"{index}.png", seed(label, index))
  save(tmp_path / "a" / "copy.png", seed("a", 3))
  save(tmp_path / "b" / "other.png", seed("a", 4))
  dataset = data.load("folder", tmp_path, 8)
  row = {name: index for index, name in enumerate(dataset.ids)}
  assert dataset.groups[row["a/copy.png"]] == dataset.groups[row["a/3.png"]]
  said = list(summary.warnings(dataset, halves(dataset)))
  assert any("1 images have the same pixels as one of another class: b/other.png and a/4.png" in s
             for s in said)  # fmt: skip
  train = np.setdiff1d(np.arange(22), [row["a/copy.png"]])
  said = list(summary.warnings(dataset, Split(train, np.array([row["a/copy.png"]]))))
  assert any("1 Test images have the same pixels as one of Train: a/copy.png and a/3.png" in s
             for s in said)  # fmt: skip


@pytest.mark.parametrize("fact", ["kind", "size", "mode", None])
def test_files_that_tell_the_class(tmp_path, fact):
  for label in "ab":
    for index in range(12):
      other = label == "b"
      path = tmp_path / label / f"{index}.{'bmp' if other and fact == 'kind' else 'png'}"
      save(path, seed(label, index), (9, 9) if other and fact == "size" else (8, 8))
      if other and fact == "mode":
        Image.open(path).convert("RGB").save(path)
  dataset = data.load("folder", tmp_path, 8)
  said = list(summary.warnings(dataset, halves(dataset)))
  telling = [line.split()[1] for line in said if "predicts the class" in line]
  assert telling == ([fact] if fact else [])


def test_names_that_are_no_utf8(tmp_path):
  for label in "ab":
    for index in range(6):
      save(tmp_path / label / f"{index}.png", seed(label, index))
  os.rename(tmp_path / "a" / "0.png", os.fsencode(tmp_path / "a") + b"/\xff.png")
  dataset = data.load("folder", tmp_path, 8)
  split = splits.Split(*splits.train_test(dataset, 0))
  splits.write_manifest(tmp_path / "split.json", dataset, split)
  again = splits.read_manifest(tmp_path / "split.json", dataset)
  np.testing.assert_array_equal(again.train, split.train)


def test_a_link_to_a_folder_above_does_not_loop(tmp_path):
  for label in "ab":
    save(tmp_path / label / "0.png", ord(label))
  (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
  assert len(data.load("folder", tmp_path, 8)) == 2


def test_no_image_at_all_is_one_line(tmp_path):
  for label in "ab":
    (tmp_path / label).mkdir()
    (tmp_path / label / "x.txt").write_text("x")
  with pytest.raises(InputError, match="images of every class; found none of class a, b"):
    data.load("folder", tmp_path, 8)
