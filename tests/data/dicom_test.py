import numpy as np
import pytest

from hfc_tf.data import dicom, volume
from hfc_tf.errors import InputError

pydicom = pytest.importorskip("pydicom")
scans = pytest.importorskip("tests.data.scans")


def test_slices_go_by_position_and_become_hounsfield_units(tmp_path):
  found = dicom.look(dicom.slices(scans.series(tmp_path)))
  assert found.shape == (5, 4, 6) and found.hounsfield
  np.testing.assert_array_equal(found.read(), scans.PIXELS.astype(np.float32) - 1024)


def test_instance_numbers_serve_where_positions_are_missing(tmp_path):
  for index in range(5):
    scans.save(tmp_path / f"{index}.dcm", scans.PIXELS[index], InstanceNumber=12 - index)
  np.testing.assert_array_equal(
    dicom.look(dicom.slices(tmp_path)).read(), scans.PIXELS[::-1].astype(np.float32) - 1024
  )


def test_the_normal_decides_for_sagittal_slices(tmp_path):
  for index in range(5):
    scans.save(
      tmp_path / f"{index}.dcm",
      scans.PIXELS[index],
      ImagePositionPatient=[10 - index, 0, 50],
      ImageOrientationPatient=[0, 1, 0, 0, 0, -1],  # normal -x: slices go to the patient's right
    )
  values = dicom.look(dicom.slices(tmp_path)).read()
  np.testing.assert_array_equal(values, scans.PIXELS.astype(np.float32) - 1024)


def test_slope_sign_and_inversion_by_hand(tmp_path):
  signed = np.array([[-7, 5], [0, 2]], np.int16)
  path = scans.save(
    tmp_path / "a.dcm", signed, 0.0, RescaleSlope=0.5, RescaleIntercept=3, Modality="MR"
  )
  found = dicom.look([path])
  assert not found.hounsfield
  np.testing.assert_array_equal(found.read(), [[[-0.5, 5.5], [3, 4]]])
  scans.save(path, signed, 0.0, RescaleSlope=None, RescaleIntercept=None,
    PhotometricInterpretation="MONOCHROME1")  # fmt: skip
  np.testing.assert_array_equal(dicom.look([path]).read(), [[[7, -5], [0, -2]]])


@pytest.mark.parametrize(
  "syntax", [pydicom.uid.ImplicitVRLittleEndian, pydicom.uid.ExplicitVRLittleEndian]
)
def test_both_usual_syntaxes(tmp_path, syntax):
  path = scans.save(tmp_path / "a.dcm", scans.PIXELS[0], 0.0, syntax)
  np.testing.assert_array_equal(
    dicom.look([path]).read()[0], scans.PIXELS[0].astype(np.float32) - 1024
  )


@pytest.mark.parametrize(
  "syntax", [pydicom.uid.DeflatedExplicitVRLittleEndian, pydicom.uid.JPEG2000Lossless]
)
def test_compressed_files_are_refused_unread(tmp_path, monkeypatch, syntax):
  path = scans.save(tmp_path / "packed.dcm", scans.PIXELS[0], 0.0)
  content = path.read_bytes()
  old = pydicom.uid.ExplicitVRLittleEndian.encode() + b"\0"
  new = syntax.encode() + b"\0" * (len(syntax) % 2)
  at = content.index(old)
  content = content[: at - 2] + len(new).to_bytes(2, "little") + new + content[at + len(old) :]
  grown = int.from_bytes(content[140:144], "little") + len(new) - len(old)
  path.write_bytes(content[:140] + grown.to_bytes(4, "little") + content[144:])
  monkeypatch.setattr(pydicom, "dcmread", None)
  with pytest.raises(InputError, match=r"an uncompressed DICOM file; found .* in .*packed\.dcm"):
    dicom.look([path])


def test_slices_are_the_marked_files_and_those_named_dcm(tmp_path):
  scans.save(tmp_path / "IM0001", scans.PIXELS[0], 0.0)
  scans.save(tmp_path / "DICOMDIR", scans.PIXELS[0], 0.0)
  scans.save(tmp_path / ".hidden.dcm", scans.PIXELS[0], 0.0)
  (tmp_path / "LICENSE").write_text("free")
  (tmp_path / "broken.DCM").write_text("no DICOM")
  assert [path.name for path in dicom.slices(tmp_path)] == ["IM0001", "broken.DCM"]
  with pytest.raises(InputError, match=r"a readable DICOM slice; found .*broken\.DCM"):
    dicom.look(dicom.slices(tmp_path))


def test_patients(tmp_path):
  assert dicom.patient(dicom.slices(scans.series(tmp_path / "a"))) == "p1"
  assert dicom.patient(dicom.slices(scans.series(tmp_path / "b", PatientID=None))) == ""


@pytest.mark.parametrize(
  ("elements", "said"),
  [
    ({"SeriesInstanceUID": "1.2.3"}, "one SeriesInstanceUID in a folder"),
    ({"Rows": 2}, "one Rows in a folder"),
    ({"position": -37.5}, "one slice at each position"),
    ({"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}, "not parallel"),
    ({"position": None}, "slices with positions"),  # nor an instance number
    ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "single grey slices"),
    ({"NumberOfFrames": 7}, "single grey slices"),
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
    dicom.look(dicom.slices(tmp_path)).read()
  assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


@pytest.mark.parametrize("kept", [0, 100, 140, 200, 600, -9])
def test_truncated_files(tmp_path, kept):
  path = scans.save(tmp_path / "cut.dcm", scans.PIXELS[0], 0.0)
  path.write_bytes(path.read_bytes()[:kept])
  with pytest.raises(InputError, match=r"cut\.dcm") as error:
    dicom.look([path]).read()
  assert "\n" not in str(error.value)


def test_too_many_slices_and_too_large_files(tmp_path, monkeypatch):
  files = dicom.slices(scans.series(tmp_path))
  monkeypatch.setattr(volume, "MAX_VOXELS", 119)
  with pytest.raises(InputError, match="found 120 in"):
    dicom.look(files)
  monkeypatch.setattr(dicom, "_MAX_BYTES", 100)
  with pytest.raises(InputError, match="slices of at most"):
    dicom.look(files)
