from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hfc_tf.data import dicom, slices
from hfc_tf.errors import InputError

pydicom = pytest.importorskip("pydicom")
scans = pytest.importorskip("tests.data.scans")
look = scans.look
FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def test_slope_sign_and_inversion_by_hand(tmp_path):
  signed = np.array([[-7, 5], [0, 2]], np.int16)
  path = scans.save(
    tmp_path / "a.dcm", signed, 0.0, RescaleSlope=0.5, RescaleIntercept=3, Modality="MR"
  )
  assert look(path).hounsfield is False and not look(path).inverted
  np.testing.assert_array_equal(look(path).read(), [[[-0.5, 5.5], [3, 4]]])
  for slope, intercept in ((None, None), ("", "")):
    scans.save(path, signed, 0.0, RescaleSlope=slope, RescaleIntercept=intercept, Modality=None,
      PhotometricInterpretation="MONOCHROME1")  # fmt: skip
    assert look(path).inverted and look(path).hounsfield is None
    np.testing.assert_array_equal(look(path).read(), [signed])


def test_a_modality_lut_is_applied(tmp_path):
  table = pydicom.Dataset()
  table.add_new("LUTDescriptor", "US", [256, 10, 16])
  table.add_new("ModalityLUTType", "LO", "US")
  table.add_new("LUTData", "OW", (np.arange(256)[::-1] * 100).astype("<u2").tobytes())
  stored = np.array([[0, 10], [11, 3000]], np.uint16)
  path = scans.save(tmp_path / "a.dcm", stored, 0.0, ModalityLUTSequence=[table])
  np.testing.assert_array_equal(look(path).read(), [[[25500, 25500], [25400, 0]]])


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("high", [11, 13, 15])
def test_bits_beside_the_stored_ones_are_no_pixels(tmp_path, sign, high):
  pixels = scans.PIXELS[0].astype(np.int32)
  wanted = np.where(pixels > 2047, pixels - 4096, pixels) if sign else pixels
  around = np.random.default_rng(1).integers(0, 65536, pixels.shape)
  mask = 4095 << (high - 11)
  stored = ((pixels << (high - 11)) & mask | around & ~mask).astype(np.uint16)
  path = scans.save(tmp_path / "a.dcm", stored, 0.0, BitsStored=12, HighBit=high,
    PixelRepresentation=sign, RescaleIntercept=0)  # fmt: skip
  np.testing.assert_array_equal(look(path).read()[0], wanted)


def test_padding_is_no_number(tmp_path):
  stored = np.array([[-2000, 0, 5], [-1999, 9, 0]], np.int16)
  path = tmp_path / "a.dcm"

  def read(**elements):
    return look(scans.save(path, stored, 0.0, RescaleIntercept=0, **elements)).read()[0]

  nan = np.nan
  np.testing.assert_array_equal(read(PixelPaddingValue=-2000), [[nan, 0, 5], [-1999, 9, 0]])
  limit = read(PixelPaddingValue=-1999, PixelPaddingRangeLimit=-2000)
  np.testing.assert_array_equal(limit, [[nan, 0, 5], [nan, 9, 0]])
  np.testing.assert_array_equal(read(PixelPaddingValue=0), stored)  # dark already
  unsigned = scans.save(path, stored.view(np.uint16), 0.0, PixelPaddingValue=63536)
  assert np.isnan(look(unsigned).read()[0]).tolist() == [[True, False, False], [False] * 3]


@pytest.mark.parametrize(
  ("packed", "plain"),
  [
    ("MR_small_RLE.dcm", "MR_small.dcm"),
    ("MR_small_jp2klossless.dcm", "MR_small.dcm"),
    ("MR_small_bigendian.dcm", "MR_small.dcm"),
    ("J2K_pixelrep_mismatch.dcm", "J2K_pixelrep_mismatch.dcm"),
    ("rtdose_rle.dcm", None),
  ],
)
def test_files_that_pydicom_decompresses(packed, plain):
  packed = FILES / packed
  if plain is None:
    counts = Counter()
    assert slices.slices(packed, counts) == [] and counts == {"DICOM of modality RTDOSE": 1}
    return
  plain = pydicom.dcmread(FILES / plain)
  wanted = pydicom.pixels.apply_rescale(plain.pixel_array, plain)
  values = look(packed).read()[0]
  np.testing.assert_array_equal(values, np.where(np.isnan(values), np.nan, wanted))
  assert np.isfinite(values).mean() > 0.5


@pytest.mark.parametrize("path", sorted(FILES.glob("*.dcm")), ids=lambda path: path.name)
def test_each_of_many_files_is_read_or_refused_in_one_line(path):
  counts = Counter()
  try:
    items = slices.slices(path, counts)
    if items:
      assert np.isfinite(dicom.look(items).read()).any()
    else:
      assert counts.total() == 1
  except InputError as error:
    assert "\n" not in str(error) and path.name in str(error)


@pytest.mark.parametrize(
  "syntax", [pydicom.uid.ImplicitVRLittleEndian, pydicom.uid.ExplicitVRLittleEndian]
)
def test_both_usual_syntaxes(tmp_path, syntax):
  path = scans.save(tmp_path / "a.dcm", scans.PIXELS[0], 0.0, syntax)
  np.testing.assert_array_equal(
    look(path).read()[0], scans.PIXELS[0].astype(np.float32) - 1024
  )


@pytest.mark.parametrize(
  ("syntax", "said"),
  [
    (pydicom.uid.MPEG2MPML, "that pydicom decodes; found MPEG2"),
    (pydicom.uid.JPEGLosslessSV1, r"can be decompressed; found JPEG Lossless.*hfc_tf\[dicom\]"),
  ],
)
def test_what_nothing_decompresses_is_refused_unread(tmp_path, monkeypatch, syntax, said):
  path = scans.save(tmp_path / "packed.dcm", scans.PIXELS[0], 0.0)
  content = path.read_bytes()
  old = pydicom.uid.ExplicitVRLittleEndian.encode() + b"\0"
  new = syntax.encode() + b"\0" * (len(syntax) % 2)
  at = content.index(old)
  content = content[: at - 2] + len(new).to_bytes(2, "little") + new + content[at + len(old) :]
  grown = int.from_bytes(content[140:144], "little") + len(new) - len(old)
  path.write_bytes(content[:140] + grown.to_bytes(4, "little") + content[144:])
  monkeypatch.setattr(pydicom, "dcmread", None)
  if syntax == pydicom.uid.JPEGLosslessSV1:
    decoder = SimpleNamespace(is_available=False)
    monkeypatch.setattr(pydicom.pixels, "get_decoder", lambda _: decoder)
  with pytest.raises(InputError, match=said):
    look(path)


def test_deflated_files_are_unpacked_within_bounds(tmp_path, monkeypatch):
  path = scans.save(
    tmp_path / "a.dcm", scans.PIXELS[0], 0.0, pydicom.uid.DeflatedExplicitVRLittleEndian
  )
  np.testing.assert_array_equal(look(path).read()[0], scans.PIXELS[0].astype(np.float32) - 1024)
  scans.save(path, np.zeros((3000, 3000), np.uint16), 0.0,
    pydicom.uid.DeflatedExplicitVRLittleEndian)  # fmt: skip
  monkeypatch.setattr(slices, "_MAX_BYTES", 2**26)
  with pytest.raises(InputError, match=r"a\.dcm: it unpacks to more than 16 MiB"):
    look(path)


@pytest.mark.parametrize("high", [11, 15])
def test_run_lengths_hold_the_bits_beside_the_pixel_too(tmp_path, high):
  path = scans.save(tmp_path / "a.dcm", scans.PIXELS[0] << (high - 11), 0.0, RescaleIntercept=0)
  packed = pydicom.dcmread(path)
  packed.compress(pydicom.uid.RLELossless)
  packed.BitsStored, packed.HighBit = 12, high
  packed.add_new("PixelPaddingValue", "US", int(scans.PIXELS[0, 1, 1]))
  packed.save_as(path)
  wanted = scans.PIXELS[0].astype(np.float32)
  wanted[wanted == wanted[1, 1]] = np.nan
  np.testing.assert_array_equal(look(path).read()[0], wanted)
  packed.PixelData = pydicom.encaps.encapsulate([b"\1" * 2**21])
  packed.save_as(path)
  with pytest.raises(InputError, match="bytes of compressed pixels, at most"):
    look(path).read()


def test_files_that_are_no_slices_are_counted(tmp_path):
  kinds = {
    "a DICOM image in colour": {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3},
    "a DICOM localizer": {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
    "DICOM of modality SEG": {"Modality": "SEG"},
    "a DICOM index": {},
  }
  for index, (reason, elements) in enumerate(kinds.items()):
    name = "DICOMDIR" if "index" in reason else f"{index}.dcm"
    scans.save(tmp_path / name, scans.PIXELS[0], 0.0, **elements)
  (tmp_path / "report").write_bytes((FILES / "test-SR.dcm").read_bytes())
  counts = Counter()
  assert dicom.slices(tmp_path, counts) == []
  assert counts == dict.fromkeys([*kinds, "a DICOM file without an image"], 1)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_headers_are_refused_or_do_no_harm(tmp_path):
  path = scans.save(tmp_path / "bad.dcm", scans.PIXELS[0], 0.0)
  whole, refused = path.read_bytes(), 0
  for offset in range(132, 400, 2):
    path.write_bytes(whole[:offset] + b"UY" + whole[offset + 2 :])
    try:
      look(path).read()
    except InputError as error:
      assert "\n" not in str(error) and "bad.dcm" in str(error)
      refused += 1
  assert refused > 20


@pytest.mark.parametrize("end", [0, 100, 140, 200, 600, -9])
def test_truncated_files(tmp_path, end):
  path = scans.save(tmp_path / "cut.dcm", scans.PIXELS[0], 0.0)
  path.write_bytes(path.read_bytes()[:end])
  with pytest.raises(InputError, match=r"cut\.dcm") as error:
    look(path).read()
  assert "\n" not in str(error.value)
