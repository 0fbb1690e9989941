import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
import tifffile
from PIL import Image, ImageCms, ImageOps

from hfc_tf.data import decode, image_file
from hfc_tf.errors import InputError

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (8, 8, 3), dtype=np.uint16)


def _pixels(*paths, size=8, **options):
  return decode.decode_images(list(paths), size, **options)[0]


def _insert_chunk(png, kind, data):
  """The PNG file with a chunk before the pixels."""
  chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
  place = png.index(b"IDAT") - 4
  return png[:place] + chunk + png[place:]


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tif", "deep.png", "deep.tif"])
def test_exif_orientation(tmp_path, kind, orientation):
  exif, path = Image.Exif(), tmp_path / f"a.{kind}"
  exif[0x112] = orientation
  stored = np.kron(np.arange(6).reshape(2, 3), np.ones((8, 8))).astype(np.uint8) * 40  # [16, 24]
  if kind.startswith("deep"):
    stored = stored.astype(np.uint16) * 300
  image = Image.fromarray(stored)
  options = {"jpg": {"quality": 95}, "webp": {"lossless": True}}.get(kind, {})
  if kind == "deep.tif":
    tifffile.imwrite(path, np.dstack([stored] * 3), photometric="rgb",
                     extratags=[(274, "H", 1, orientation, True)])  # fmt: skip
  else:
    image.save(path, exif=exif, **options)
  upright = Image.new("L", image.size)
  upright.getexif()[0x112] = orientation
  rows = np.arange(stored.size, dtype=np.int32).reshape(stored.shape)
  shown = Image.fromarray(rows)
  shown.getexif()[0x112] = orientation
  expected = stored.ravel()[np.asarray(ImageOps.exif_transpose(shown))]
  pixels = image_file.read(path, 1)[..., 0]
  assert pixels.shape == expected.shape and pixels.dtype == stored.dtype
  np.testing.assert_allclose(pixels, expected, atol=4 if kind == "jpg" else 0)


def test_damaged_exif_leaves_the_pixels_as_they_are(tmp_path):
  path = tmp_path / "a.jpg"
  Image.fromarray(COLOUR).save(path, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff", quality=95)
  with Image.open(path) as image:
    np.testing.assert_array_equal(image_file.read(path, 3), np.asarray(image))


@pytest.mark.parametrize("kind", ["tif", "gif", "png", "webp", "mpo"])
def test_of_pages_and_frames_the_first_is_read_with_a_warning(tmp_path, warnings, kind):
  first, *others = (Image.fromarray(np.full((8, 8), v, np.uint8)) for v in (10, 120, 250))
  options = {"lossless": True} if kind == "webp" else {}
  form = {"tif": "TIFF"}.get(kind, kind.upper())
  first.save(tmp_path / f"b.{kind}", form, save_all=True, append_images=others, **options)
  first.save(tmp_path / "a.png")
  files = [tmp_path / "a.png", tmp_path / f"b.{kind}"]
  for _ in range(2):  # from the cache too
    pixels = _pixels(*files, cache=tmp_path / "cache")
    np.testing.assert_array_equal(pixels // 257, np.full(pixels.shape, 10))
    assert len(warnings) == 1 and f"1 of 2 files hold several pages or frames ({files[1]}" in (
      warnings.pop()
    )


def test_grey_of_every_kind(tmp_path):
  values = COLOUR[..., 0]
  image = Image.fromarray(values)
  image.save(tmp_path / "l.png")
  image.convert("LA").save(tmp_path / "la.png")
  image.convert("RGB").save(tmp_path / "rgb.tif", compression="tiff_lzw")
  (tmp_path / "gamma.png").write_bytes(
    _insert_chunk((tmp_path / "l.png").read_bytes(), b"gAMA", struct.pack(">I", 220_000))
  )
  image.save(tmp_path / "transparent.png", transparency=int(values[0, 0]))
  profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
  image.convert("RGB").save(tmp_path / "icc.png", icc_profile=profile)
  paths = sorted(tmp_path.iterdir())
  expected = np.broadcast_to(values[..., None] * np.uint16(257), (len(paths), 8, 8, 3))
  np.testing.assert_array_equal(_pixels(*paths), expected)
  Image.fromarray(values > 127).save(tmp_path / "1.png")
  np.testing.assert_array_equal(_pixels(tmp_path / "1.png")[0, ..., 0], (values > 127) * 65535)


@pytest.mark.parametrize("chunk", [
  (b"gAMA", struct.pack(">I", 220_000)), (b"tRNS", struct.pack(">HHH", *DEEP[0, 0].tolist())),
])  # fmt: skip
def test_gamma_and_transparency_of_16_bit_png_change_nothing(tmp_path, chunk):
  path = tmp_path / "a.png"
  path.write_bytes(_insert_chunk(tf.io.encode_png(DEEP).numpy(), *chunk))
  np.testing.assert_array_equal(_pixels(path)[0], DEEP)
  grey = _pixels(path, channels=1)[0, ..., 0]
  np.testing.assert_allclose(grey, DEEP @ [0.299, 0.587, 0.114], atol=0.51)


def test_cmyk_jpeg_of_white_paper_is_white(tmp_path):
  paper = np.full((8, 8, 3), 255, np.uint8)
  paper[:, 4:] = 0
  Image.fromarray(paper).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
  np.testing.assert_allclose(_pixels(tmp_path / "a.jpg")[0] / 257, paper, atol=3)


@pytest.mark.parametrize("kind", ["png", "jpg", "bmp", "tif", "gif", "webp", "ppm", "deep.tif"])
def test_truncated_files_are_one_line(tmp_path, kind):
  path, noise = tmp_path / f"a.{kind}", RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
  if kind == "deep.tif":
    tifffile.imwrite(path, noise.astype(np.uint16) * 257, photometric="rgb")
  else:
    Image.fromarray(noise).save(path)
  content = path.read_bytes()
  for size in (len(content) // 2, len(content) - len(content) // 8, 30):
    path.write_bytes(content[:size])
    with pytest.raises(InputError, match=f"a.{kind}") as error:
      _pixels(path)
    assert "\n" not in str(error.value)
