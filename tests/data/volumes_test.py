import tracemalloc

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf import data
from hfc_tf.data import volumes, windows
from hfc_tf.errors import InputError

pytest.importorskip("nibabel")
pytest.importorskip("pydicom")
scans = pytest.importorskip("tests.data.scans")


def cube(value, shape=(4, 6, 6)):
  return np.full(shape, value, np.int16)


@pytest.fixture
def folder(tmp_path):
  """Two NIfTI volumes of class a, a DICOM series and a NIfTI volume of class b."""
  root = tmp_path / "scans"
  scans.nifti(root / "a" / "1.nii.gz", cube(0))
  scans.nifti(root / "a" / "2.nii", cube(40))
  scans.nifti(root / "b" / "3.NII.gz".lower(), cube(80))
  scans.series(root / "b" / "4")
  (root / "a" / "notes.txt").write_text("ignored")
  (root / "b" / "empty").mkdir()
  return root


def test_folder_per_class_of_both_kinds(folder):
  dataset = data.load("volumes", folder, 6, window=(40, 80), depth=5)
  assert dataset.pixels.dtype == np.uint16 and dataset.pixels.shape == (4, 5, 6, 6, 1)
  assert dataset.ids == ["a/1.nii.gz", "a/2.nii", "b/3.nii.gz", "b/4"]
  assert dataset.labels.tolist() == [0, 0, 1, 1] and dataset.class_names == ("a", "b")
  assert (dataset.name, dataset.source) == ("scans", "directory")
  assert dataset.pixels[:3].reshape(3, -1).min(1).tolist() == [0, 32768, 65535]
  assert dataset.pixels[:3].reshape(3, -1).max(1).tolist() == [0, 32768, 65535]


def test_bits_are_those_of_scanners(tmp_path):
  for name, series, voxels, bits in (
    ("dicom", {"BitsStored": 12, "HighBit": 11}, None, 12),
    ("wide", {"RescaleSlope": 2}, None, 16),
    ("narrow", {}, None, 12),
    ("bytes", {"BitsStored": 8, "HighBit": 7}, None, 8),
    ("octets", None, [0, 255], 8),
    ("ct", None, [-1024, 3071], 12),
    ("counts", None, [0, 4096], 16),
    ("floats", None, [0.5, 1.0], 16),
  ):  # fmt: skip
    for kind in "ab":
      place = tmp_path / name / kind / "1"
      if series is None:
        array = np.resize(np.array(voxels), (4, 6, 6))
        dtype = {8: np.uint8, 12: np.int16, 16: np.float32}[bits]
        scans.nifti(place.with_suffix(".nii"), array.astype(dtype))
      else:
        scans.series(place, **series)
    for _ in range(2):
      dataset = data.load("volumes", tmp_path / name, 6, cache_dir=tmp_path / "cache")
      assert (dataset.bits, dataset.levels) == (bits, 2**bits - 1), name


def test_ct_takes_its_window_and_the_rest_its_own_range(tmp_path, caplog):
  ramp = np.arange(4 * 6 * 6, dtype=np.int16).reshape(4, 6, 6)
  scans.nifti(tmp_path / "a" / "ramp.nii", ramp)
  scans.nifti(tmp_path / "a" / "flat.nii", cube(7))
  scans.series(tmp_path / "b" / "ct", RescaleIntercept=-2048)
  dataset = data.load("volumes", tmp_path, 6, depth=4)
  flat, ct_less = dataset.pixels[0], dataset.pixels[1][..., 0]
  assert np.ptp(flat) == 0
  low, high = np.percentile(ramp, [0.5, 99.5])
  np.testing.assert_allclose(ct_less / 65535, np.clip((ramp - low) / (high - low), 0, 1), atol=1e-4)
  assert "1 of 3 volumes are CT: without --window they take level 40, width 400" in caplog.text
  ct = data.load("volumes", tmp_path, 6, depth=5).pixels[2]
  hounsfield = scans.PIXELS.astype(float) - 2048
  same = data.load("volumes", tmp_path, 6, depth=5, window=("40", "400")).pixels[2]
  np.testing.assert_array_equal(ct, same)
  assert abs(ct.mean() / 65535 - np.clip((hounsfield - 40) / 400 + 0.5, 0, 1).mean()) < 0.02


def test_depth_is_the_median_unless_it_is_given(tmp_path):
  for name, depth in (("a/1", 3), ("a/2", 7), ("b/3", 8)):
    scans.nifti(tmp_path / f"{name}.nii", cube(1, (depth, 6, 6)))
  assert data.load("volumes", tmp_path, 8).pixels.shape == (3, 7, 8, 8, 1)
  assert data.load("volumes", tmp_path, 8, depth=2).pixels.shape == (3, 2, 8, 8, 1)


def test_resize_is_linear_and_antialiased_along_every_axis():
  pixels = np.random.default_rng(0).integers(0, 65536, (9, 12, 10, 1), dtype=np.uint16)
  np.testing.assert_array_equal(volumes.resize(pixels[:, :10], 10, 9), pixels[:, :10])
  result = volumes.resize(pixels, 6, 4).astype(float)[..., 0]
  plane = tf.image.resize(pixels, [6, 6], antialias=True)[..., 0]  # [9, 6, 6]
  turned = tf.transpose(plane, [1, 0, 2])[..., None]  # [6, 9, 6, 1]: depth as the rows
  wanted = tf.image.resize(turned, [4, 6], antialias=True)[..., 0]
  np.testing.assert_allclose(result, tf.transpose(wanted, [1, 0, 2]), atol=1.5)
  ramp = np.broadcast_to(np.arange(16).reshape(16, 1, 1, 1) * 4000, (16, 4, 4, 1)).astype(np.uint16)
  halved = volumes.resize(ramp, 4, 8)[2:6, 0, 0, 0].astype(float)
  np.testing.assert_allclose(np.diff(halved), 8000, atol=1.5)


@pytest.mark.parametrize("side", [4, 9])  # smaller and larger than the slices
def test_a_file_is_resized_as_an_array_is(tmp_path, side):
  array = np.random.default_rng(0).integers(0, 4096, (9, 6, 6), dtype=np.int16)
  for name in ("a/1", "b/2"):
    scans.nifti(tmp_path / f"{name}.nii", array)
  pixels = data.load("volumes", tmp_path, side, depth=4, window=(2048, 4096)).pixels[0]
  wide = windows.windowed(array, 2048, 4096)[..., None]
  np.testing.assert_allclose(pixels, volumes.resize(wide, side, 4).astype(float), atol=1.5)


def test_patients_are_groups(tmp_path):
  for label, name, who in (("a", "1", "p1"), ("a", "2", "p2"), ("b", "3", "p1")):
    scans.series(tmp_path / label / name, (4, 3, 2, 1, 0)[int(name) - 1 :], PatientID=who)
  groups = data.load("volumes", tmp_path, 6).groups
  assert groups[0] == groups[2] != groups[1]
  for label, name in (("a", "1"), ("a", "2"), ("b", "3")):
    scans.series(tmp_path / label / name, (4, 3, 2, 1, 0)[int(name) - 1 :], PatientID="anonymous")
  assert data.load("volumes", tmp_path, 6).groups is None


def test_cache_is_used_and_keyed_by_window_and_depth(folder, tmp_path, monkeypatch):
  cache = tmp_path / "cache"

  def read(**options):
    return data.load("volumes", folder, 6, cache_dir=cache, **options).pixels

  first = np.array(read(window=(40, 80)))
  read(window=(40, 400))
  read(window=(40, 80), depth=2)
  assert len(list(cache.iterdir())) == 3
  monkeypatch.setattr(volumes, "_decoded", None)  # nothing may be read again
  np.testing.assert_array_equal(read(window=(40, 80)), first)


def test_one_volume_is_in_memory_at_a_time(tmp_path):
  one = np.random.default_rng(0).integers(0, 900, (64, 256, 256), np.int16)
  for name in ("a/1", "a/2", "b/1", "b/2"):
    scans.nifti(tmp_path / f"{name}.nii", one)
  tracemalloc.start()
  data.load("volumes", tmp_path, 8)
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  assert peak < 2.5 * 4 * one.size  # in float32, and what is sampled and resized of it


def test_brain_is_read_in_the_brain_window(folder):
  dataset = data.load("brain", folder, 6, depth=5)
  same = data.load("volumes", folder, 6, window=(40, 80), depth=5)
  np.testing.assert_array_equal(dataset.pixels, same.pixels)
  assert (dataset.name, dataset.source) == ("brain", "directory")


@pytest.mark.parametrize(
  "window", [("40",), (40, 0), (40, -80), ("forty", 80), (40, "nan"), ("inf", 80)]
)
def test_bad_windows(folder, window):
  with pytest.raises(InputError, match="--window=level,width"):
    data.load("volumes", folder, 6, window=window)


def test_bad_sizes_and_folders(folder, tmp_path, monkeypatch):
  with pytest.raises(InputError, match="image size of at least 1"):
    data.load("volumes", folder, 0)
  with pytest.raises(InputError, match="depth of at least 1"):
    data.load("volumes", folder, 6, depth=0)
  with pytest.raises(InputError, match="nothing at"):
    data.load("volumes", tmp_path / "gone")
  with pytest.raises(InputError, match="none of class empty in"):
    data.load("volumes", folder / "b")
  (tmp_path / "flat" / "a").parent.mkdir()
  scans.nifti(tmp_path / "flat" / "a.nii", cube(0))
  with pytest.raises(InputError, match="no sub-folder"):
    data.load("volumes", tmp_path / "flat")
  monkeypatch.setattr(volumes, "MAX_BYTES", 1000)
  with pytest.raises(InputError, match="GiB in all"):
    data.load("volumes", folder, 6)


def test_a_damaged_volume_among_many_is_named(folder, tmp_path):
  path = folder / "a" / "2.nii"
  path.write_bytes(path.read_bytes()[:-12])
  cache = tmp_path / "cache"
  with pytest.raises(InputError, match=r"a readable NIfTI .*2\.nii: truncated"):
    data.load("volumes", folder, 6, cache_dir=cache)
  assert not list(cache.iterdir())  # a failed reading leaves nothing behind


@pytest.mark.parametrize("name", ["chest", "npz", "brain"])
def test_window_and_depth_are_of_volumes_in_files(name, tmp_path):
  where = None if name == "brain" else tmp_path
  with pytest.raises(InputError, match="--window with files of --dataset=volumes"):
    data.load(name, where, window=(40, 80), depth=3)


def test_masks_beside_volumes_are_left_out_and_counted(tmp_path):
  for label in "ab":
    for index in range(2):
      values = np.arange(144, dtype=np.int16).reshape(4, 6, 6) * (2 * ord(label) + index)
      scans.nifti(tmp_path / label / f"{index}.nii", values)
      scans.nifti(tmp_path / label / f"{index}_seg.nii", cube(index))
  dataset = data.load("volumes", tmp_path, 6)
  assert dataset.ids == ["a/0.nii", "a/1.nii", "b/0.nii", "b/1.nii"]
  assert dataset.skipped == {"a mask beside its volume": 4} and dataset.grouped_by == ""
