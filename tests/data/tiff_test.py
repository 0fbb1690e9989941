import struct
import sys

import numpy as np
import pytest
import tifffile

from hfc_tf.data import decode
from hfc_tf.errors import InputError

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (8, 8, 3), dtype=np.uint16)


def _tiff(path, array, **options):
  tifffile.imwrite(path, array, **options)
  return path


def _pixels(*paths, size=8, **options):
  return decode.decode_images(list(paths), size, **options)[0]


@pytest.mark.parametrize("options", [
  {}, {"compression": "deflate"}, {"compression": "deflate", "predictor": True},
  {"byteorder": ">"}, {"planarconfig": "separate"}, {"bigtiff": True}, {"tile": (16, 16)},
])  # fmt: skip
def test_16_bit_colour_tiff_is_exact(tmp_path, options):
  values = np.moveaxis(DEEP, -1, 0) if "planarconfig" in options else DEEP
  path = _tiff(tmp_path / "a.tif", values, photometric="rgb", **options)
  np.testing.assert_array_equal(_pixels(path)[0], DEEP)
  grey = _pixels(path, channels=1)[0, ..., 0]
  np.testing.assert_allclose(grey, DEEP @ [0.299, 0.587, 0.114], atol=0.51)


def test_alpha_of_16_bit_tiff_is_dropped(tmp_path):
  values = np.dstack([DEEP, DEEP[..., 0]])
  path = _tiff(tmp_path / "a.tif", values, photometric="rgb", extrasamples=["unassalpha"])
  np.testing.assert_array_equal(_pixels(path)[0], DEEP)


def test_white_is_zero(tmp_path):
  deep = _tiff(tmp_path / "16.tif", DEEP[..., 0], photometric="miniswhite")
  np.testing.assert_array_equal(_pixels(deep)[0, ..., 0], 65535 - DEEP[..., 0])
  flat = _tiff(tmp_path / "8.tif", COLOUR[..., 0], photometric="miniswhite")
  np.testing.assert_array_equal(_pixels(flat)[0, ..., 0], (255 - COLOUR[..., 0]) * np.uint16(257))
  narrow = DEEP[..., 0] >> 4
  narrow[0, 0] = 4095
  twelve = _tiff(tmp_path / "12.tif", narrow, photometric="miniswhite")
  np.testing.assert_array_equal(np.rint(_pixels(twelve)[0, ..., 0] / 65535 * 4095), 4095 - narrow)


@pytest.mark.parametrize(("array", "options", "message"), [
  (DEEP.astype(np.float32)[..., 0], {}, "floating point"),
  (DEEP.astype(np.float32), {"photometric": "rgb"}, "not read"),
  (COLOUR[..., 0].astype(np.float16), {}, "not read"),
  (COLOUR[..., 0].astype(np.int8), {}, "another kind"),
  (DEEP[..., 0].astype(np.int32) + 65536, {}, "outside 16 bits"),
  (DEEP[..., 0].astype(np.int16) - np.int16(1), {}, "outside 16 bits"),
  (np.dstack([DEEP, DEEP[..., 0]]), {"photometric": "separated"}, "another kind"),
  (np.dstack([DEEP, DEEP[..., 0]]), {"photometric": "rgb", "extrasamples": ["assocalpha"]},
   "another kind"),
])  # fmt: skip
def test_tiff_files_that_are_no_plain_images_are_one_line(tmp_path, array, options, message):
  with pytest.raises(InputError, match=message) as error:
    _pixels(_tiff(tmp_path / "a.tif", array, **options))
  assert "a.tif" in str(error.value) and "\n" not in str(error.value)


def test_a_compression_that_needs_a_package_names_its_extra(tmp_path, monkeypatch):
  path = _tiff(tmp_path / "a.tif", DEEP, photometric="rgb", compression="lzw")
  np.testing.assert_array_equal(_pixels(path)[0], DEEP)
  monkeypatch.setitem(sys.modules, "imagecodecs", None)

  def asarray(page):  # as it ends where the package is not there
    raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

  monkeypatch.setattr(tifffile.TiffPage, "asarray", asarray)
  with pytest.raises(InputError, match=r"hfc_tf\[tiff\]"):
    _pixels(path)


@pytest.mark.parametrize(("largest", "bits"), [(4095, 12), (3071, 12), (65535, 16), (2**20, 10)])
def test_tiff_files_say_what_they_hold(tmp_path, largest, bits):
  tags = [(281, "I", 1, largest, True)]
  path = _tiff(tmp_path / "a.tif", DEEP[..., 0] >> 6, extratags=tags)
  assert decode.decode_images([path], 8)[1] == bits


def test_a_tiff_that_says_to_be_larger_than_it_is(tmp_path):
  path = _tiff(tmp_path / "a.tif", DEEP, photometric="rgb")
  with tifffile.TiffFile(path) as file:
    place = file.pages[0].tags["ImageLength"].valueoffset
  content = bytearray(path.read_bytes())
  content[place : place + 2] = struct.pack("<H", 9000)
  path.write_bytes(content)
  with pytest.raises(InputError, match=r"a\.tif"):
    _pixels(path)

