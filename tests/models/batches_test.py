"""Batches: augmentation against numpy's own padding."""

import numpy as np
import pytest

from hfc_tf.models.batches import Batches, Centre, augment, draws


@pytest.mark.parametrize("shape", [(32, 48, 3), (16, 32, 16, 1)])
def test_equals_reflect_padding_then_cropping_then_flipping(shape):
  rng = np.random.default_rng(0)
  images = rng.random((6, *shape), np.float32)
  uniform = rng.random((6, len(shape)))
  result = augment(images, uniform)
  for image, draw, got in zip(images, uniform, result, strict=True):
    margins = [side // 16 for side in shape[:-1]]
    padded = np.pad(image, [(m, m) for m in margins] + [(0, 0)], mode="reflect")
    starts = [int(u * (2 * m + 1)) for u, m in zip(draw, margins, strict=False)]
    crop = padded[tuple(slice(a, a + n) for a, n in zip(starts, shape, strict=False))]
    wanted = np.flip(crop, axis=-2) if draw[-1] < 0.5 else crop
    np.testing.assert_array_equal(got, wanted)


def test_every_shift_and_both_flips_occur():
  uniform = draws(seed=0, epoch=0, num_images=2000, rank=2)
  shifts = (uniform[:, 0] * 9).astype(int)  # 64 px: margin 4, nine places
  assert np.bincount(shifts).min() > 150
  assert 0.45 < np.mean(uniform[:, -1] < 0.5) < 0.55


def test_draws_depend_on_seed_epoch_and_sample_alone():
  base = draws(3, 5, 10, 2)
  np.testing.assert_array_equal(draws(3, 5, 1000, 2)[:10], base)
  assert not np.array_equal(draws(3, 6, 10, 2), base)
  assert not np.array_equal(draws(4, 5, 10, 2), base)


def test_input_is_untouched():
  images = np.random.default_rng(0).random((3, 32, 32, 1), np.float32)
  before = images.copy()
  augment(images, np.full((3, 3), 0.2))
  np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("shape", [(20, 24, 3), (9, 16, 12, 1)])
def test_random_crops(shape):
  images = np.random.default_rng(0).random((40, *shape), np.float32)
  sides = tuple(side - 5 for side in shape[:-1])
  uniform = draws(0, 0, 40, len(sides))
  cropped = augment(images, uniform, sides)
  assert cropped.shape == (40, *sides, shape[-1])
  places = set()
  for image, draw, crop in zip(images, uniform, cropped, strict=True):
    start = tuple(int(6 * u) for u in draw[:-1])  # each of six places on an axis
    wanted = image[tuple(slice(a, a + n) for a, n in zip(start, sides, strict=True))]
    np.testing.assert_array_equal(crop, wanted[..., ::-1, :] if draw[-1] < 0.5 else wanted)
    places.add(start[0])
  assert places == set(range(6))


def test_batches_of_crops_and_their_centres():
  images, labels = np.random.default_rng(0).random((6, 10, 11, 1)), np.arange(6)
  batch, of_batch = Batches(images, labels, 3, seed=0, crop=(4, 5))[0]
  assert batch.shape == (3, 4, 5, 1) and len(of_batch) == 3
  centre = Centre(images, (4, 5))
  assert len(centre) == 6
  np.testing.assert_array_equal(centre[np.array([2, 0])], images[[2, 0], 3:7, 3:8])
