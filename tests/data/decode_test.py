import io
import os
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from absl import logging as absl_logging
from PIL import Image

from hfc_tf import data
from hfc_tf.data import decode, image_file
from hfc_tf.errors import InputError

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)


def _save(path, array, mode=None, **options):
  image = Image.fromarray(array)
  (image if mode is None else image.convert(mode)).save(path, **options)
  return path


def _decoded(*args, **options):
  pixels, _ = decode.decode_images(*args, **options)
  return pixels


def _png_header(path, width, height):
  header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
  chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"")))
  body = b"".join(
    struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    for kind, data in chunks
  )
  path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
  return path


def test_8_bit_colour_is_exact(tmp_path):
  pixels = _decoded([_save(tmp_path / "a.png", COLOUR)], 8)
  assert pixels.dtype == np.uint16 and pixels.shape == (1, 8, 8, 3)
  np.testing.assert_array_equal(pixels[0], COLOUR.astype(np.uint16) * 257)


def test_one_channel_only_if_all_files_are_grey(tmp_path):
  grey = _save(tmp_path / "g.png", COLOUR[..., 0])
  alpha = _save(tmp_path / "la.png", COLOUR[..., 0], "LA")
  colour = _save(tmp_path / "c.png", COLOUR)
  assert _decoded([grey, alpha], 8).shape[-1] == 1
  both = _decoded([grey, colour], 8)
  np.testing.assert_array_equal(both[0], np.repeat(COLOUR[..., :1].astype(np.uint16) * 257, 3, -1))
  assert _decoded([colour], 8, channels=1).shape[-1] == 1


def test_alpha_is_dropped_not_blended(tmp_path):
  rgba = np.concatenate([COLOUR, np.zeros((8, 8, 1), np.uint8)], -1)
  pixels = _decoded([_save(tmp_path / "a.png", rgba)], 8)
  np.testing.assert_array_equal(pixels[0], COLOUR.astype(np.uint16) * 257)


def test_palette_and_cmyk_become_rgb(tmp_path):
  palette = _save(tmp_path / "p.png", np.full((8, 8, 3), (250, 10, 60), np.uint8), "P")
  with Image.open(palette) as image:
    expected = np.asarray(image.convert("RGB"), np.uint16) * 257
  cmyk = _save(tmp_path / "k.tif", COLOUR, "CMYK")
  pixels = _decoded([palette, cmyk], 8)
  np.testing.assert_array_equal(pixels[0], expected)
  np.testing.assert_allclose(pixels[1] / 257, COLOUR, atol=1)


def test_16_bit_files_keep_their_precision(tmp_path):
  grey = RNG.integers(0, 65536, (8, 8), dtype=np.uint16)
  paths = [_save(tmp_path / "g.png", grey), _save(tmp_path / "g.tif", grey)]
  with Image.open(paths[1]) as image:
    assert image.mode == "I;16"
  colour = RNG.integers(0, 65536, (8, 8, 3), dtype=np.uint16)
  (tmp_path / "c.png").write_bytes(tf.io.encode_png(colour).numpy())
  np.testing.assert_array_equal(_decoded(paths, 8), np.stack([grey, grey])[..., None])
  np.testing.assert_array_equal(_decoded([tmp_path / "c.png"], 8)[0], colour)


def test_resizing_antialiases_in_order(tmp_path):
  # A checkerboard has no energy below its own frequency: antialiased, it turns to plain grey.
  board = (np.indices((32, 32)).sum(0) % 2 * 255).astype(np.uint8)
  paths = [_save(tmp_path / "board.png", board)]
  paths += [_save(tmp_path / f"{i}.png", np.full((5 + i, 9), 10 * i, np.uint8)) for i in range(20)]
  pixels = _decoded(paths, 8)
  np.testing.assert_allclose(pixels[0, 1:-1, 1:-1] / 65535, 0.5, atol=0.01)
  np.testing.assert_array_equal(pixels[1:, 0, 0, 0], np.arange(20) * 10 * 257)
  np.testing.assert_array_equal(pixels[1:], np.broadcast_to(pixels[1:, :1, :1], (20, 8, 8, 1)))


def test_resizing_volumes_leaves_their_depth():
  volumes = RNG.integers(0, 65536, (300, 3, 6, 8, 1), dtype=np.uint16)
  resized = decode.resize(volumes, 4)
  assert resized.shape == (300, 3, 4, 4, 1) and resized.dtype == np.uint16
  expected = tf.image.resize(volumes[299, 2].astype(np.float32), [4, 4], antialias=True)
  np.testing.assert_allclose(resized[299, 2], expected, atol=0.51)
  assert np.shares_memory(decode.resize(resized, 4), resized)


@pytest.mark.parametrize("shape", [(90, 70, 3), (70, 90, 1), (6, 900, 3), (900, 2, 1), (90, 12, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_large_images_are_resized_in_strips_to_the_same(monkeypatch, shape, dtype):
  pixels = RNG.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
  whole = decode.resize(pixels, 12)
  monkeypatch.setattr(decode, "_BLOCK", 500)
  np.testing.assert_allclose(decode.resize(pixels, 12).astype(int), whole, atol=1)
  wide = pixels * np.uint16(257) if dtype == np.uint8 else pixels
  np.testing.assert_allclose(whole, decode.resize(wide, 12).astype(int), atol=1)


def test_depth_is_resized_linearly():
  ramp = np.broadcast_to(np.arange(8, dtype=np.uint16)[:, None, None, None] * 1000, (8, 4, 4, 3))
  volumes = np.stack([ramp, ramp[::-1]])
  resized = decode.resize(volumes, 4, 4)
  expected = tf.image.resize(volumes[0, ..., 0].reshape(1, 8, 16, 1), [4, 16], antialias=True)
  assert resized.shape == (2, 4, 4, 4, 3)
  np.testing.assert_allclose(resized[0, :, 0, 0, 1], expected[0, :, 0, 0], atol=0.51)
  np.testing.assert_array_equal(resized[1], resized[0, ::-1])


def test_bad_files_are_named(tmp_path):
  good = _save(tmp_path / "good.png", COLOUR)
  buffer = io.BytesIO()
  Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(buffer, "JPEG")
  deep = tf.io.encode_png(RNG.integers(0, 65536, (64, 64, 3), dtype=np.uint16)).numpy()
  for name, content, message in (
    ("cut.jpeg", buffer.getvalue()[:-500], "truncated"),
    ("deep.png", deep[: len(deep) // 2], ""),
    ("zero.jpeg", b"", "zero bytes long"),
    ("text.jpeg", b"not an image at all", "no image"),
    ("program.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image"),
  ):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: .*{message}") as error:
      _decoded([good, tmp_path / name], 8)
    assert "\n" not in str(error.value)
  with pytest.raises(InputError, match=r"gone\.png"):
    _decoded([tmp_path / "gone.png"], 8)
  with pytest.raises(InputError, match="image size of at least 1"):
    data.load("folder", tmp_path.parent, 0)


@pytest.mark.parametrize("side", [11_700, 31_623])  # above our limit; above Pillow's too
def test_huge_images_are_refused_by_their_header(tmp_path, side):
  with pytest.raises(InputError, match=r"at most 2\*\*27 .*huge\.png"):
    _decoded([_png_header(tmp_path / "huge.png", side, side)], 8)


def test_cache_is_used_and_keyed(tmp_path, monkeypatch):
  paths = [_save(tmp_path / "a.png", COLOUR), _save(tmp_path / "b.png", COLOUR[::-1])]
  cache = tmp_path / "cache"
  first = _decoded(paths, 8, cache)
  np.testing.assert_array_equal(first, _decoded(paths, 8))
  _decoded(paths, 4, cache)
  _decoded(paths, 8, cache, channels=1)
  assert len(list(cache.iterdir())) == 3
  monkeypatch.setattr(image_file, "_decoded", None)  # nothing may be decoded again
  np.testing.assert_array_equal(_decoded(paths, 8, cache), first)
  os.utime(paths[0], ns=(1, 1))  # the content is what counts
  np.testing.assert_array_equal(_decoded(paths, 8, cache), first)
  stat, content = paths[0].stat(), bytearray(paths[0].read_bytes())
  content[-20] ^= 1
  paths[0].write_bytes(content)
  os.utime(paths[0], ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as large and as old as before
  with pytest.raises(InputError):
    _decoded(paths, 8, cache)
  assert len(list(cache.iterdir())) == 3  # a failed decoding leaves nothing behind


@pytest.mark.parametrize("name", ["pixels.npy", "manifest.json"])
def test_damaged_cache_is_named_and_made_again(tmp_path, monkeypatch, name):
  paths = [_save(tmp_path / "a.png", COLOUR)]
  cache = tmp_path / "cache"
  first = np.array(_decoded(paths, 8, cache))
  (entry,) = cache.iterdir()
  content = bytearray((entry / name).read_bytes())
  content[-5] ^= 1
  (entry / name).write_bytes(content)
  warnings = []
  monkeypatch.setattr(
    absl_logging, "warning", lambda text, *args: warnings.append(text % args), raising=True
  )
  np.testing.assert_array_equal(_decoded(paths, 8, cache), first)
  assert len(warnings) == 1 and str(entry) in warnings[0]
  _decoded(paths, 8, cache)
  assert len(warnings) == 1


def test_unwritable_cache_is_one_line(tmp_path):
  (tmp_path / "file").write_text("in the way")
  with pytest.raises(InputError, match="folder that can be written"):
    _decoded([_save(tmp_path / "a.png", COLOUR)], 8, tmp_path / "file" / "cache")


def test_bits_are_those_of_the_files_whatever_their_size(tmp_path):
  deep = RNG.integers(0, 65536, (8, 8), dtype=np.uint16)
  narrow = RNG.integers(0, 4096, (8, 8), dtype=np.uint16)
  narrow[0, 0] = 4095
  plain = _save(tmp_path / "8.png", COLOUR)
  wide, twelve = _save(tmp_path / "16.png", deep), _save(tmp_path / "12.png", narrow)
  (tmp_path / "c.png").write_bytes(tf.io.encode_png(deep.reshape(8, 8, 1)[..., [0, 0, 0]]).numpy())
  for files, bits in (
    ([plain], 8), ([wide], 16), ([twelve], 12), ([plain, twelve], 12), ([twelve, wide], 16),
    ([tmp_path / "c.png"], 16), ([_save(tmp_path / "12.tif", narrow)], 12),
  ):  # fmt: skip
    for size in (8, 5):
      cache = tmp_path / "cache"
      assert [decode.decode_images(files, size, cache)[1] for _ in range(2)] == [bits, bits]
      assert decode.decode_images(files, size)[1] == bits


def test_12_bit_images_fill_the_range_and_come_back_exactly(tmp_path):
  values = np.arange(4096, dtype=np.uint16).reshape(64, 64)
  pixels, bits = decode.decode_images([_save(tmp_path / "a.png", values)], 64)
  assert bits == 12 and pixels.max() == 65535
  np.testing.assert_array_equal(np.rint(pixels[0, ..., 0] / 65535 * 4095), values)
