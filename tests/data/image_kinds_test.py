"""Files as scanners, cameras and exporters write them, and what becomes of their values."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from hfc_tf import data
from hfc_tf.data.decode import decode_images
from hfc_tf.errors import InputError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (8, 8), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (8, 8), dtype=np.uint16)
# EXIF 2.32, 4.6.4: how an upright picture lies in a file of each orientation.
LIES = {
  1: lambda x: x, 2: np.fliplr, 3: lambda x: np.rot90(x, 2), 4: np.flipud,
  5: lambda x: np.swapaxes(x, 0, 1), 6: lambda x: np.rot90(x, 1),
  7: lambda x: np.rot90(np.swapaxes(x, 0, 1), 2), 8: lambda x: np.rot90(x, -1),
}  # fmt: skip


def decoded(path, **options):
  return decode_images([path], 8, **options)[0][0]


@pytest.mark.parametrize("orientation", LIES)
@pytest.mark.parametrize("name", ["a.png", "deep.png", "a.tif", "deep.tif", "a.webp"])
def test_pictures_stand_upright(tmp_path, name, orientation):
  upright = DEEP if name.startswith("deep") else GREY
  exif = Image.Exif()
  exif[0x112] = orientation
  image = Image.fromarray(np.ascontiguousarray(LIES[orientation](upright)))
  image.save(tmp_path / name, exif=exif, **({"lossless": True} if name == "a.webp" else {}))
  wide = upright if upright is DEEP else GREY.astype(np.uint16) * 257
  np.testing.assert_array_equal(decoded(tmp_path / name, channels=1)[..., 0], wide)


def test_a_colour_tiff_of_16_bits_stands_upright(tmp_path):
  colour = RNG.integers(0, 65536, (8, 8, 3), dtype=np.uint16)
  tifffile.imwrite(tmp_path / "a.tif", np.rot90(colour, 1), photometric="rgb",
                   extratags=[(274, "H", 1, 6, True)])  # fmt: skip
  np.testing.assert_array_equal(decoded(tmp_path / "a.tif"), colour)


def test_damaged_exif_changes_nothing(tmp_path):
  Image.fromarray(GREY).save(tmp_path / "a.png", exif=b"Exif\0\0" + b"II*\0" + b"\xff" * 40)
  np.testing.assert_array_equal(decoded(tmp_path / "a.png")[..., 0], GREY.astype(np.uint16) * 257)


def test_white_is_zero_at_every_depth(tmp_path):
  tifffile.imwrite(tmp_path / "a.tif", DEEP, photometric="miniswhite")
  tifffile.imwrite(tmp_path / "b.tif", GREY, photometric="miniswhite")
  np.testing.assert_array_equal(decoded(tmp_path / "a.tif")[..., 0], 65535 - DEEP)
  np.testing.assert_array_equal(decoded(tmp_path / "b.tif")[..., 0], (255 - GREY) * np.uint16(257))


@pytest.mark.parametrize(
  "layout", [{}, {"planarconfig": "separate"}, {"compression": "zlib"}, {"byteorder": ">"}]
)
def test_16_bit_colour_tiffs_are_exact(tmp_path, layout):
  colour = RNG.integers(0, 65536, (8, 8, 3), dtype=np.uint16)
  given = np.moveaxis(colour, -1, 0) if "planarconfig" in layout else colour
  tifffile.imwrite(tmp_path / "a.tif", given, photometric="rgb", **layout)
  np.testing.assert_array_equal(decoded(tmp_path / "a.tif"), colour)
  luminance = decoded(tmp_path / "a.tif", channels=1)[..., 0]
  assert np.abs(luminance - colour @ [0.299, 0.587, 0.114]).max() <= 0.5


@pytest.mark.parametrize(("top", "given"), [(1000, 10), (1000, 12), (1000, 16), (16000, 14)])
def test_bits_of_16_bit_files_may_be_given(tmp_path, caplog, top, given):
  values = np.linspace(0, top, 64).astype(np.uint16).reshape(8, 8)
  Image.fromarray(values).save(tmp_path / "a.png")
  pixels, held = decode_images([tmp_path / "a.png"], 8, stored_bits=given)
  np.testing.assert_array_equal(pixels[0, ..., 0], np.rint(values * (65535 / (2**given - 1))))
  assert held == given and not caplog.messages


def test_more_than_the_given_bits_is_refused(tmp_path):
  Image.fromarray(DEEP).save(tmp_path / "a.png")
  with pytest.raises(InputError, match=r"16-bit files with 12 bits of image; .*--stored_bits"):
    decode_images([tmp_path / "a.png"], 8, stored_bits=12)


def test_the_option_reaches_folders(tmp_path):
  for name in "ab":
    (tmp_path / name).mkdir()
    Image.fromarray(DEEP // 4).save(tmp_path / name / "x.png")
  dataset = data.load("folder", tmp_path, 8, stored_bits=14)
  assert dataset.bits == 14 and dataset.levels == 16383
  np.testing.assert_allclose(dataset.images([0])[0, ..., 0], (DEEP // 4) / 16383, atol=1e-6)
  with pytest.raises(InputError, match="--stored_bits with files of --dataset=folder, chest"):
    data.load("npz", tmp_path, 8, stored_bits=14)
