"""Grey images stay grey, whatever the model wants and whatever others in the batch are."""

import numpy as np
import pytest

from hfc_tf.attacks import ATTACKS, BIM
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import balanced, random_images

EPS = 4 / 256


@pytest.fixture(scope="module")
def model():
  return TappedModel(balanced())


@pytest.fixture(scope="module")
def grey():
  return random_images(count=6)[..., :1]


def test_one_channel_is_copied_for_the_model(model, grey):
  one, three = model.taps(grey), model.taps(np.repeat(grey, 3, -1))
  np.testing.assert_array_equal(one.logits, three.logits)


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_changes_three_equal_channels_alike(model, grey, name):
  settings = {"kappa": 1.0} if name == "cw" else {}
  settings |= {"searches": 1} if name == "cw_l2" else {}
  attack = ATTACKS[name](model, steps=3, **settings)
  colour = random_images(count=2, seed=5)
  mixed = np.concatenate([np.repeat(grey, 3, -1), colour])
  targets = 1 - model.taps(mixed).predictions
  attacked = attack(mixed, targets)
  assert (attacked[:6] == attacked[:6, ..., :1]).all()
  np.testing.assert_array_equal(attacked[:6, ..., :1], attack(grey, targets[:6]))
  if name not in ("deepfool", "cw_l2"):
    assert (attacked[:6] != mixed[:6]).any() and (attacked[6:] != attacked[6:, ..., :1]).any()


def test_free_channels_are_the_papers_form(model, grey):
  images = np.repeat(grey, 3, -1)
  attacked = BIM(model, eps=EPS, steps=3, free_channels=True)(images, 1)
  assert (attacked != attacked[..., :1]).any()
  assert np.abs(attacked - images).max() <= EPS + 1e-6
