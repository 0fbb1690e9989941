import dataclasses

import numpy as np
import pytest

from hfc_tf.data.dataset import Dataset, check_labels, group_numbers, stratified_subset
from hfc_tf.errors import InputError


def _dataset(pixels):
  return Dataset(
    "toy", "synthetic", pixels, np.array([0, 1], np.int32), ["a", "b"], None, ("x", "y")
  )


def test_every_8_bit_value_comes_back_exactly():
  values = np.arange(512, dtype=np.uint16).reshape(2, 16, 16, 1) % 256
  images = _dataset(values * np.uint16(257)).images([0, 1])
  assert images.dtype == np.float32
  np.testing.assert_array_equal(images, values.astype(np.float32) / np.float32(255))


def test_channels_are_repeated_or_reduced():
  grey = np.random.default_rng(0).integers(0, 65536, (2, 3, 4, 4, 1), dtype=np.uint16)
  one = _dataset(grey)
  three = one.images([1], channels=3)
  assert three.shape == (1, 3, 4, 4, 3)
  np.testing.assert_array_equal(three[..., 0], three[..., 2])
  back = _dataset(np.repeat(grey, 3, axis=-1)).images([1], channels=1)
  np.testing.assert_array_equal(back, one.images([1]))
  with pytest.raises(InputError, match="1 or 3 channels"):
    one.images([0], channels=2)


@pytest.mark.parametrize(
  ("bits", "grid", "levels"),
  [(8, "auto", 255), (12, "auto", 4095), (16, "auto", 65535), (16, "8", 255), (8, "12", 4095)],
)
def test_images_are_files_of_their_grid(bits, grid, levels):
  pixels = np.random.default_rng(0).integers(0, 65536, (2, 9, 9, 3), dtype=np.uint16)
  dataset = dataclasses.replace(_dataset(pixels), bits=bits, grid=grid)
  assert dataset.levels == levels
  for channels in (3, 1):
    images = dataset.images([0, 1], channels)
    whole = np.rint(images.astype(np.float64) * levels)
    np.testing.assert_array_equal(images, (whole / levels).astype(np.float32))
  assert np.abs(dataset.images([0, 1]) - pixels / 65535).max() <= 0.5001 / levels
  floats = dataclasses.replace(dataset, grid="float")
  assert floats.levels is None
  np.testing.assert_array_equal(floats.images([0]), pixels[:1].astype(np.float32) / 65535)


def test_grey_is_told_image_by_image():
  pixels = np.random.default_rng(0).integers(0, 65536, (2, 4, 4, 3), dtype=np.uint16)
  pixels[1] = pixels[1, ..., :1]
  assert _dataset(pixels).grey([0, 1, 1]).tolist() == [False, True, True]
  assert _dataset(pixels[..., :1]).grey([1, 0]).tolist() == [True, True]
  assert _dataset(pixels).grey([]).shape == (0,)


def test_size_and_classes():
  dataset = _dataset(np.zeros((2, 4, 4, 1), np.uint16))
  assert (len(dataset), dataset.num_classes) == (2, 2)


def test_a_class_without_images_is_named():
  with pytest.raises(InputError, match="none of class b in somewhere"):
    check_labels(np.array([0, 2]), ("a", "b", "c"), "somewhere")
  with pytest.raises(InputError, match="at least two classes"):
    check_labels(np.array([0]), ("a",), "somewhere")


def test_groups():
  numbers = group_numbers(["p2", "p1", "p2"])
  assert numbers.dtype == np.int64 and numbers[0] == numbers[2] != numbers[1]
  assert group_numbers(["p1", "p2"]) is None


def test_subset_is_stratified_seeded_and_nested():
  labels = np.repeat([0, 1, 2], [800, 190, 10])
  small, large = stratified_subset(labels, 100, 3), stratified_subset(labels, 200, 3)
  np.testing.assert_array_equal(np.bincount(labels[small]), [80, 19, 1])
  assert set(small) < set(large)
  np.testing.assert_array_equal(small, stratified_subset(labels, 100, 3))
  assert set(small) != set(stratified_subset(labels, 100, 4))
  assert set(labels[stratified_subset(labels, 3, 0)]) == {0, 1, 2}
  np.testing.assert_array_equal(stratified_subset(labels, None, 0), np.arange(1000))
  with pytest.raises(InputError, match="at least 1"):
    stratified_subset(labels, 0, 0)
