import numpy as np
import pytest

from hfc_tf.data import dicom, nifti, slices, volume
from hfc_tf.errors import InputError

nibabel = pytest.importorskip("nibabel")
pydicom = pytest.importorskip("pydicom")
scans = pytest.importorskip("tests.data.scans")
look = scans.look


def test_slices_go_by_position_and_become_hounsfield_units(tmp_path):
  scan = look(scans.series(tmp_path))
  assert scan.shape == (5, 4, 6) and scan.hounsfield is True
  np.testing.assert_array_equal(scan.read(), scans.PIXELS.astype(np.float32) - 1024)


def test_instance_numbers_serve_where_positions_are_missing(tmp_path):
  for index in range(5):
    scans.save(tmp_path / f"{index}.dcm", scans.PIXELS[index], InstanceNumber=12 - index)
  np.testing.assert_array_equal(
    look(tmp_path).read(), scans.PIXELS[::-1].astype(np.float32) - 1024
  )


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize(
  "axes",
  [
    (1, 0, 0, 0, 1, 0),  # axial
    (-1, 0, 0, 0, -1, 0),  # prone
    (1, 0, 0, 0, -1, 0),  # slices from the head to the feet
    (0, 1, 0, 0, 0, -1),  # sagittal
    (1, 0, 0, 0, 0, -1),  # coronal
    (0.96, 0.28, 0, -0.28, 0.96, 0),  # turned by 16 degrees
  ],
)
def test_every_acquisition_lies_as_its_nifti_does(tmp_path, axes, rows):
  stored = scans.PIXELS[:rows]  # [slice, row, column]
  normal = np.cross(axes[:3], axes[3:])
  for index in range(rows):
    scans.save(
      tmp_path / f"{(2 * index) % 5}.dcm",
      stored[index],
      ImageOrientationPatient=list(axes),
      ImagePositionPatient=[float(value) for value in np.array([5, 6, 7]) + 3 * index * normal],
    )
  affine = np.eye(4)
  affine[:3, :3] = np.diag([-1, -1, 1]) @ np.stack([axes[:3], axes[3:], 3 * normal], -1)
  nibabel.Nifti1Image(stored.T.astype(np.int16) - 1024, affine).to_filename(tmp_path / "a.nii")
  turned = nibabel.as_closest_canonical(nibabel.load(tmp_path / "a.nii")).get_fdata()
  values = look(tmp_path).read()
  assert values.shape == look(tmp_path).shape
  np.testing.assert_array_equal(values, nifti.look(tmp_path / "a.nii").read())
  wanted = turned[::-1, ::-1].T  # right, front, head -> [head, back, left]
  if rows > 1:
    np.testing.assert_array_equal(values, wanted)
  else:  # one slice lies in the plane, its head up
    axis = wanted.shape.index(1)
    head_up = np.moveaxis(wanted, axis, 0)
    np.testing.assert_array_equal(values, head_up[:, ::-1] if axis else head_up)


def test_gaps_and_a_tilted_gantry_are_warned_of(tmp_path, caplog):
  for index, place in enumerate((0, 2, 4, 24, 26)):
    scans.save(tmp_path / "gap" / f"{index}.dcm", scans.PIXELS[index], place)
    corner = [0, 0.5 * index, 2.0 * index]
    tilted = tmp_path / "tilt" / f"{index}.dcm"
    scans.save(tilted, scans.PIXELS[index], 0.0, ImagePositionPatient=corner)
    scans.save(tmp_path / "even" / f"{index}.dcm", scans.PIXELS[index], 2.001 * index)
    scans.save(tmp_path / "none" / f"{index}.dcm", scans.PIXELS[index], InstanceNumber=index**2)
  for name, said in (
    ("gap", "steps of 2 to 20 mm between slices (median 2)"),
    ("tilt", "by 14.0 degrees"),
    ("even", None),
    ("none", "5 of 5 slices have no orientation; all go by number"),
    ("none", "steps of 1 to 7 instance numbers"),
  ):
    caplog.clear()
    look(tmp_path / name)
    assert said in caplog.text if said else not caplog.text


def test_one_slice_needs_no_position(tmp_path):
  values = look(scans.save(tmp_path / "a.dcm", scans.PIXELS[0], Modality="DX")).read()
  np.testing.assert_array_equal(values[0], scans.PIXELS[0].astype(np.float32) - 1024)


def test_numbers_serve_where_one_position_is_missing(tmp_path, caplog):
  for index in range(5):
    scans.save(
      tmp_path / f"{index}.dcm",
      scans.PIXELS[index],
      None if index == 2 else 2.5 * index,
      InstanceNumber=9 - index,  # from the head to the feet
      ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
    )
  values = look(tmp_path).read()
  np.testing.assert_array_equal(values, scans.PIXELS.astype(np.float32) - 1024)
  assert "1 of 5 slices have no position; all go by number" in caplog.text


def enhanced(path, order=(3, 0, 4, 1, 2), **elements):
  """One file of many frames; `elements` replace the usual ones."""
  frames = []
  for index in order:
    place, scale = pydicom.Dataset(), pydicom.Dataset()
    place.ImagePositionPatient = [0, 0, 2.5 * index]
    scale.RescaleSlope, scale.RescaleIntercept = 2, -1000
    frames.append(pydicom.Dataset())
    frames[-1].PlanePositionSequence = [place]
    frames[-1].PixelValueTransformationSequence = [scale]
  axes, shared = pydicom.Dataset(), pydicom.Dataset()
  axes.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
  shared.PlaneOrientationSequence = [axes]
  usual = dict(
    NumberOfFrames=len(order), Rows=4, Columns=6, RescaleSlope=None, RescaleIntercept=None,
    SharedFunctionalGroupsSequence=[shared], PerFrameFunctionalGroupsSequence=frames,
  )  # fmt: skip
  return scans.save(path, scans.PIXELS[list(order)], **(usual | elements))


def test_frames_of_an_enhanced_file_are_slices(tmp_path):
  values = look(enhanced(tmp_path / "a.dcm")).read()
  np.testing.assert_array_equal(values, 2 * scans.PIXELS.astype(np.float32) - 1000)
  with pytest.raises(InputError, match="one slice at each position"):
    look(enhanced(tmp_path / "a.dcm", (0, 1, 1, 2)))
  for frames, said in ((2**20, "at most 16384 frames"), (-1, "three axes"), (9, "readable")):
    with pytest.raises(InputError, match=said):
      look(enhanced(tmp_path / "a.dcm", NumberOfFrames=frames)).read()


def test_slices_are_the_marked_files_and_those_named_dcm(tmp_path):
  scans.save(tmp_path / "IM0001", scans.PIXELS[0], 0.0)
  scans.save(tmp_path / "DICOMDIR", scans.PIXELS[0], 0.0)
  scans.save(tmp_path / ".hidden.dcm", scans.PIXELS[0], 0.0)
  (tmp_path / "LICENSE").write_text("free")
  assert [item.path.name for item in dicom.slices(tmp_path)] == ["IM0001"]
  (tmp_path / "broken.DCM").write_text("no DICOM")
  with pytest.raises(InputError, match=r"a readable DICOM slice; found .*broken\.DCM"):
    look(tmp_path)


@pytest.mark.parametrize(
  ("elements", "said"),
  [
    ({"SeriesInstanceUID": "1.2.3"}, "one series in a volume"),
    ({"PhotometricInterpretation": "MONOCHROME1"}, "one inverted in a volume"),
    ({"Rows": 2}, "one shape in a volume"),
    ({"position": -37.5}, "one slice at each position"),
    ({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, "not parallel"),
    ({"position": None}, "slices with positions"),  # nor an instance number
    ({"SamplesPerPixel": 3}, "a readable DICOM slice"),
    ({"PhotometricInterpretation": None}, "a readable DICOM slice"),
    ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, "not parallel"),
    ({"ImageOrientationPatient": ["nan"] * 6}, "not parallel"),
    ({"ImagePositionPatient": [0, 0, "inf"]}, "positions that are no numbers"),
    ({"RescaleSlope": 0}, "RescaleSlope is 0"),
    ({"RescaleIntercept": "nan"}, "RescaleIntercept nan"),
    ({"ImagePositionPatient": [0, 0]}, "slices with positions"),
    ({"HighBit": 3}, "high bit 3 of 16"),
    ({"NumberOfFrames": 7}, "one series in a volume"),
    ({"Rows": 65535, "Columns": 65535}, r"at most 2\*\*27"),
    ({"Rows": 0}, "three axes"),
    ({"Rows": None}, "a readable DICOM slice"),
    ({"RescaleSlope": 1e308}, "finite voxels"),
    ({"BitsAllocated": 7}, "a readable DICOM slice"),
  ],
)
def test_hostile_series_are_one_line(tmp_path, elements, said):
  scans.series(tmp_path, order=(0, 1, 2))
  scans.save(tmp_path / "odd.dcm", scans.PIXELS[3], **({"position": 99.0} | elements))
  with pytest.raises(InputError, match=said) as error:
    look(tmp_path).read()
  assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


def test_too_many_slices_and_too_large_files(tmp_path, monkeypatch):
  scans.series(tmp_path)
  monkeypatch.setattr(volume, "MAX_VOXELS", 119)
  with pytest.raises(InputError, match="found 120 in"):
    look(tmp_path)
  monkeypatch.setattr(slices, "_MAX_BYTES", 100)
  with pytest.raises(InputError, match="slices of at most"):
    look(tmp_path)
