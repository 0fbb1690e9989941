"""What lies below the folders of classes: patients, masks, trees of series."""

import os

import numpy as np
import pytest

from hfc_tf import data

nibabel = pytest.importorskip("nibabel")
pytest.importorskip("pydicom")
scans = pytest.importorskip("tests.data.scans")


def cube(value, shape=(4, 6, 6)):
  return np.full(shape, value, np.int16)


def test_patients_by_study_by_bids_name_and_by_folder(tmp_path):
  def groups(name, *paths):
    for path in paths:
      scans.nifti(tmp_path / name / path, cube(len(path)))
    return data.load("volumes", tmp_path / name, 6).groups

  for label, name, who, study in (
    ("a", "1", "  007", "1.1"), ("a", "2", "", "1.2"), ("b", "3", "007", "1.3"),
    ("b", "4", None, "1.2"),
  ):  # fmt: skip
    scans.series(tmp_path / "dicom" / label / name, PatientID=who, StudyInstanceUID=study)
  assert groups("dicom").tolist() == [0, 1, 0, 1]
  first = groups("bids", "a/sub-01/ses-1/anat/sub-01_T1w.nii", "a/sub-02/sub-02_T1w.nii",
                 "a/sub-01_T2w.nii.gz", "b/sub-03/x.nii")  # fmt: skip
  assert first[0] == first[1] and len(set(first)) == 3
  second = groups("folders", "a/all/P1/1.nii", "a/all/P1/2.nii", "a/all/P2/1.nii", "b/x/3.nii",
                  "b/x/4.nii")  # fmt: skip
  assert second[0] == second[1] and len(set(second)) == 4
  third = groups("one", "a/P1/1.nii", "a/P1/2.nii", "b/P2/1.nii", "b/P3/1.nii")
  assert third[0] == third[1] and len(set(third)) == 3
  kinds = [f"{label}/{kind}/{n}.nii" for label in "ab" for kind in ("T1", "T2") for n in range(7)]
  assert groups("kinds", *kinds) is None  # two folders of each class are no patients


def test_masks_beside_volumes_are_no_volumes(tmp_path):
  names = ("x.nii", "x_mask.nii.gz", "segmentation-0.nii", "x_label2.nii", "label_x.nii", "seg.nii")
  for path in [*(tmp_path / "a" / name for name in names), tmp_path / "b" / "alone_seg.nii"]:
    scans.nifti(path, cube(0))
  dataset = data.load("volumes", tmp_path, 6)
  assert dataset.ids == ["a/label_x.nii", "a/seg.nii", "a/x.nii", "b/alone_seg.nii"]
  assert dataset.skipped == {"a mask beside its volume": 3}


def test_trees_loose_slices_and_several_series_in_a_folder(tmp_path, caplog):
  root = tmp_path / "scans"
  for label in "ab":
    scans.series(root / label / "P1" / "study" / "series")
    scans.series(root / label)
    for index in range(3):
      scans.save(root / label / "xray" / f"{index}.dcm", scans.PIXELS[0], Modality="DX",
        SeriesInstanceUID=f"1.2.{index}")  # fmt: skip
  (root / "a" / "P1" / "again").symlink_to(root / "a")
  os.mkfifo(root / "b" / "pipe.nii")
  (root / "a" / "P1" / "readme.txt").write_text("ignored")
  (root / "labels.csv").write_text("ignored")
  nibabel.Nifti1Pair(cube(0), np.eye(4)).to_filename(root / "b" / "pair.img")
  (root / "b" / "alone.img").write_bytes(b"raw")
  scans.save(root / "b" / "P1" / "screen.dcm", scans.PIXELS[0], PhotometricInterpretation="RGB")
  dataset = data.load("volumes", root, 6, depth=4)
  each = ["0.dcm", "P1/study/series", "xray/0.dcm", "xray/1.dcm", "xray/2.dcm"]
  assert dataset.ids == [f"a/{name}" for name in each] + sorted(
    [f"b/{name}" for name in each] + ["b/pair.hdr"]
  )
  assert dataset.labels.tolist() == [0] * 5 + [1] * 6
  assert dataset.skipped == {
    "outside the class folders": 1, "neither DICOM nor NIfTI": 3, "a DICOM image in colour": 1,
  }  # fmt: skip
  assert "3 left out: neither DICOM nor NIfTI" in caplog.text
  assert "4 series lie in several folders, a volume in each" in caplog.text
