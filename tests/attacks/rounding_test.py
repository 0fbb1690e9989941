"""What comes back is in the given type, in the ball and in the bounds."""

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.attacks import ATTACKS, BIM
from hfc_tf.attacks.balls import on_grid, rounded
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import attack, random_images
from tests.networks import tiny

BFLOAT16 = tf.bfloat16.as_numpy_dtype
TYPES = [np.float64, np.float16, BFLOAT16, np.uint8, np.uint16, np.int64]


def _in_the_ball(made, given, eps, bounds):
  change = np.abs(made.astype(np.float64) - given.astype(np.float64))
  assert made.dtype == given.dtype
  assert change.max() <= eps * (1 + 2e-6)
  assert bounds[0] <= made.astype(np.float64).min() <= made.astype(np.float64).max() <= bounds[1]
  return change


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("levels", [0.6, 1.25, 4.0])
def test_attacked_images_stay_in_the_ball_whatever_their_type(dtype, levels):
  top = {np.uint8: 255, np.uint16: 65535, np.int64: 255}.get(dtype, 1)
  model = TappedModel(tiny(), bounds=(0, top))
  given = (random_images(count=2) * top).astype(dtype)
  eps = levels * top / 256
  change = _in_the_ball(BIM(model, eps=eps, steps=4)(given, 1), given, eps, (0, top))
  assert (change > 0.7 * eps).any() or levels < 2


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_rounds_integers_within_its_budget(name):
  model = TappedModel(tiny(), bounds=(0, 255))
  given = (random_images(count=2) * 255).astype(np.uint8)
  made = attack(name, model, eps=2.6, steps=3)(given, 1)
  assert made.dtype == np.uint8
  if name not in ("deepfool", "cw_l2"):
    assert np.abs(made.astype(int) - given).max() == 2


def test_the_neighbour_towards_the_image_where_the_nearest_value_leaves_the_ball():
  given = np.array([100, 100, 0, 255, 100], np.uint8)
  wanted = np.array([100.6, 99.3, 0.6, 254.4, 102.5]) / 255
  result = rounded(wanted.astype(np.float32), given, 0.7, (0, 255))
  np.testing.assert_array_equal(result, given)
  result = rounded(wanted.astype(np.float32), given, 2.6, (0, 255))
  np.testing.assert_array_equal(result, [101, 99, 1, 254, 102])
  small = np.array([120, -5], np.int8)  # whose type ends before the bounds do
  result = rounded(np.array([130, 0], np.float32) / 255, small, 10, (0, 255))
  np.testing.assert_array_equal(result, [127, 0])


def test_random_values_of_every_float_type():
  rng = np.random.default_rng(0)
  for dtype in (np.float16, BFLOAT16, np.float32, np.float64):
    for low, high in ((0, 1), (-1, 1), (-2.5, 40.0)):
      given = np.clip(rng.uniform(low, high, 4000), low, high).astype(dtype)
      given = given[(given.astype(float) >= low) & (given.astype(float) <= high)]
      eps = float(rng.uniform(0.001, 0.1)) * (high - low)
      moved = given.astype(np.float64) + eps * rng.uniform(-1, 1, len(given))
      unit = ((np.clip(moved, low, high) - low) / (high - low)).astype(np.float32)
      if dtype == np.float32 and (low, high) == (0, 1):
        np.testing.assert_array_equal(rounded(unit, given, eps, (low, high)), unit)
      else:
        _in_the_ball(rounded(unit, given, eps, (low, high)), given, eps, (low, high))


def test_a_budget_below_one_level_is_told(caplog):
  model = TappedModel(tiny(), bounds=(0, 255))
  given = (random_images(count=2) * 255).astype(np.uint8)
  np.testing.assert_array_equal(BIM(model, eps=0.4, steps=4)(given, 1), given)
  assert "rounding to uint8 undoes 100 % of the changed values" in caplog.text
  caplog.clear()
  BIM(model, eps=4, steps=4)(given, 1)
  assert "rounding" not in caplog.text


@pytest.mark.parametrize("levels", [255, 4095, 65535])
@pytest.mark.parametrize("reach", [1.0, 3.4, None])
def test_images_as_a_file_holds_them(levels, reach):
  rng = np.random.default_rng(0)
  whole = rng.integers(0, levels + 1, (3, 7, 7, 1))
  clean = (whole / levels).astype(np.float32)
  eps = None if reach is None else reach / levels
  wanted = (reach or 9.3) * rng.uniform(-1, 1, clean.shape)
  images = np.clip(clean + wanted / levels, 0, 1).astype(np.float32)
  made = on_grid(images, clean, eps, levels)
  # By hand, in whole numbers: the nearest one, not beyond the ball, not beyond the range.
  k = np.rint(np.clip(whole + wanted, 0, levels) - whole)
  k = k if reach is None else np.clip(k, -np.floor(reach), np.floor(reach))
  np.testing.assert_array_equal(made, ((whole + k) / levels).astype(np.float32))
  assert made.dtype == np.float32 and 0 <= made.min() <= made.max() <= 1
  np.testing.assert_array_equal(on_grid(made, clean, eps, levels), made)
