"""Which range 16-bit files use."""

import numpy as np
import pytest
from PIL import Image

from hfc_tf import data
from hfc_tf.data import decode
from hfc_tf.errors import InputError

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (8, 8, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (8, 8), dtype=np.uint16)


def _pixels(*paths, size=8, **options):
  return decode.decode_images(list(paths), size, **options)[0]


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_bits_of_16_bit_files_are_recognised_and_told(tmp_path, warnings, bits):
  values = np.linspace(0, 2**bits - 1, 64).astype(np.uint16).reshape(8, 8)
  Image.fromarray(values).save(tmp_path / "a.png")
  pixels, recognised = decode.decode_images([tmp_path / "a.png"], 8)
  assert recognised == bits and pixels.max() == 65535
  np.testing.assert_array_equal(np.rint(pixels[0, ..., 0] / 65535 * (2**bits - 1)), values)
  assert warnings == ([] if bits == 16 else [
    f"16-bit values up to {2**bits - 1} at most: read as {bits} bits, {2**bits - 1} is white"
  ])  # fmt: skip


def test_values_that_were_scaled_up_are_16_bit(tmp_path, warnings):
  twelve = DEEP >> 4
  twelve[0, :2] = 0, 4095
  for name, values in (("shifted", twelve << 4), ("filled", twelve << 4 | twelve >> 8)):
    Image.fromarray(values).save(tmp_path / f"{name}.png")
    np.testing.assert_array_equal(_pixels(tmp_path / f"{name}.png")[0, ..., 0], values)
  assert not warnings


@pytest.mark.parametrize("largest", [1023, 4095, 65535])
def test_portable_grey_maps_say_their_range(tmp_path, largest):
  values = np.linspace(0, largest // 64, 64).astype(np.uint16).reshape(8, 8)
  (tmp_path / "a.pgm").write_bytes(b"P5 8 8 %d\n" % largest + values.astype(">u2").tobytes())
  pixels = _pixels(tmp_path / "a.pgm")[0, ..., 0]
  np.testing.assert_allclose(pixels, values * (65535 / largest), atol=1)


def test_files_of_fewer_bits_among_others_are_counted(tmp_path, warnings):
  Image.fromarray(DEEP).save(tmp_path / "16.png")
  Image.fromarray(DEEP >> 4).save(tmp_path / "12.png")
  Image.fromarray(COLOUR).save(tmp_path / "8.png")
  files = [tmp_path / f"{bits}.png" for bits in (8, 12, 16)]
  for _ in range(2):  # from the cache too
    assert decode.decode_images(files, 8, tmp_path / "cache")[1] == 16
    assert len(warnings) == 1 and f"1 of 2 16-bit images ({files[1]} first)" in warnings.pop()


@pytest.mark.parametrize(("top", "given"), [(1000, 10), (1000, 12), (1000, 16), (16000, 14)])
def test_bits_of_16_bit_files_may_be_given(tmp_path, warnings, top, given):
  values = np.linspace(0, top, 64).astype(np.uint16).reshape(8, 8)
  Image.fromarray(values).save(tmp_path / "a.png")
  pixels, held = decode.decode_images([tmp_path / "a.png"], 8, stored_bits=given)
  np.testing.assert_array_equal(pixels[0, ..., 0], np.rint(values * (65535 / (2**given - 1))))
  assert held == given and not warnings


def test_more_than_the_given_bits_is_refused(tmp_path):
  Image.fromarray(DEEP).save(tmp_path / "a.png")
  with pytest.raises(InputError, match=r"16-bit files with 12 bits of image; .*--stored_bits"):
    decode.decode_images([tmp_path / "a.png"], 8, stored_bits=12)


def test_the_option_reaches_folders(tmp_path):
  for name in "ab":
    (tmp_path / name).mkdir()
    Image.fromarray(DEEP // 4).save(tmp_path / name / "x.png")
  dataset = data.load("folder", tmp_path, 8, stored_bits=14)
  assert dataset.bits == 14 and dataset.levels == 16383
  np.testing.assert_allclose(dataset.images([0])[0, ..., 0], (DEEP // 4) / 16383, atol=1e-6)
  with pytest.raises(InputError, match="--stored_bits with files of --dataset=folder, chest"):
    data.load("npz", tmp_path, 8, stored_bits=14)
