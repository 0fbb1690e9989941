import numpy as np
import pytest

from hfc_tf import data
from hfc_tf.data import windows
from hfc_tf.errors import InputError

pytest.importorskip("nibabel")
pytest.importorskip("pydicom")
scans = pytest.importorskip("tests.data.scans")


def test_windowing_by_hand():
  values = np.array([-100.0, 0, 20, 40, 80, 500])
  # (v - 40) / 80 + 1/2 = 0, 0, 1/4, 1/2, 1, 1
  np.testing.assert_array_equal(
    windows.windowed(values, 40, 80), [0, 0, 16384, 32768, 65535, 65535]
  )


@pytest.mark.parametrize("kind", ["CT", "MR"])
def test_a_volume_is_the_same_as_dicom_and_as_nifti(tmp_path, kind):
  random = np.random.default_rng(0)
  stored = random.integers(0, 2000 if kind == "MR" else 3000, (6, 12, 10)).astype(np.int16)
  stored[:, :2] = -32768 if kind == "MR" else -2000
  offset = 0 if kind == "MR" else -1024
  for name, elements in (("tagged", {"PixelPaddingValue": int(stored.min())}), ("bare", {})):
    for index, plane in enumerate(stored):
      scans.save(tmp_path / "a" / name / f"{index}.dcm", plane, 2.0 * index, Modality=kind,
        RescaleIntercept=offset, **elements)  # fmt: skip
  scans.nifti(tmp_path / "b" / "whole.nii.gz", stored + np.int16(offset))
  with_nan = np.where(stored == stored.min(), np.nan, stored + np.float32(offset))
  scans.nifti(tmp_path / "b" / "nan.nii", with_nan.astype(np.float32))
  pixels = data.load("volumes", tmp_path, 8).pixels
  for other in pixels[1:]:
    np.testing.assert_array_equal(other, pixels[0])
  assert pixels[:, :, 0].max() == 0 and pixels.max() > 50000  # padding, and tissue
  assert np.mean(pixels[:, :, 3:] > 20000) > 0.3


@pytest.mark.parametrize("window", [None, (3000, 2000)])
def test_monochrome1_is_turned_in_its_window(tmp_path, window):
  stored = np.linspace(2000, 4000, 5 * 36).reshape(5, 6, 6).astype(np.uint16)
  for label, kind in (("a", "MONOCHROME1"), ("b", "MONOCHROME2")):
    for index in range(5):
      scans.save(tmp_path / label / "s" / f"{index}.dcm", stored[index], 2.0 * index,
        PhotometricInterpretation=kind, Modality="DX", RescaleIntercept=0)  # fmt: skip
  one, two = data.load("volumes", tmp_path, 6, window=window).pixels.astype(int)
  assert one[0, 0, 0, 0] == two[-1, -1, -1, 0] == 65535
  assert abs(one + two - 65535).max() <= 1


def test_padding_is_black_and_does_not_squeeze():
  values = np.random.default_rng(0).uniform(0, 100, (4, 8, 8)).astype(np.float32)
  for padding, squeezed in ((-3024, False), (-32768, False), (-1000, True), (0, True)):
    padded = values.copy()
    padded[:, :2] = padding
    low, width = windows.percentiles(windows.tissue(padded, None), padded)
    assert np.isnan(padded[:, :2]).all() == (not squeezed)
    assert (width < 101) == (not squeezed or padding == 0) and abs(low) < 600
  for inverted in (False, True):
    assert windows.windowed(np.float32([np.nan]), 0, 1, inverted).tolist() == [0]
  with pytest.raises(InputError, match="padding alone in x"):
    windows.tissue(np.full((2, 2, 2), np.nan, np.float32), "x")
