"""Units of budgets and steps, and how they change together."""

import numpy as np
import pytest

from hfc_tf.attacks import APGD, BIM, FGSM, PGD, schedule
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import random_images
from tests.networks import tapped, tiny


def test_units_are_those_of_the_bounds():
  images = random_images(count=4)
  unit, wide = TappedModel(tiny()), TappedModel(tiny(), lambda x: x / 255.0, (0, 255))
  assert (BIM(unit).eps, BIM(wide).eps) == (1 / 256, 255 / 256)
  assert BIM(wide).step_size == pytest.approx(0.02 * 255 / 256) and BIM(wide).steps == 100
  one = BIM(unit, eps=4 / 255, steps=4)(images, 1)
  other = BIM(wide, eps=4, steps=4)(images * 255, 1) / 255
  assert np.mean(np.abs(one - other) > 1e-5) < 0.02
  assert repr(BIM(wide, eps=4, steps=4)).startswith(
    "BIM(eps=4 (4.01569/256 of [0, 255]), step_size=2 (2.00784/256 of [0, 255]), steps=4"
  )


def test_another_budget_scales_the_step_and_keeps_the_number_of_steps():
  for settings in ({}, {"steps": 10}, {"step_size": 0.001, "steps": 10}, {"step_size": 0.001}):
    attack = BIM(tapped(), eps=4 / 256, **settings)
    steps, step_size = attack.steps, attack.step_size
    attack.eps = 8 / 256
    assert attack.steps == steps and attack.step_size == pytest.approx(2 * step_size)
    attack.eps = 0.0
    attack.eps = 4 / 256
    assert attack.steps == steps and attack.step_size == pytest.approx(step_size)


def test_another_number_of_steps_changes_a_step_that_was_not_given():
  attack = BIM(tapped(), eps=4 / 256)
  attack.steps = 40
  assert attack.step_size == pytest.approx(0.2 / 256)
  given = BIM(tapped(), eps=4 / 256, step_size=0.001)
  given.steps = 40
  assert given.step_size == 0.001
  given.step_size = 0.002
  assert (given.step_size, given.steps) == (0.002, 40)


def test_a_path_that_cannot_reach_the_budget_is_told_where_it_is_chosen(caplog):
  attack = BIM(tapped(), eps=8 / 256, step_size=1 / 256, steps=16)
  attack.steps = 4  # on purpose: as far as it gets
  attack.eps = 4 / 256
  assert not caplog.text
  attack.step_size = 0.5 / 256
  assert "4 steps of 0.5/256 of the range cannot reach eps = 4/256" in caplog.text
  caplog.clear()
  BIM(tapped(), eps=8 / 256, step_size=1 / 256, steps=4)
  assert "4 steps of 1/256 of the range cannot reach eps = 8/256" in caplog.text


def test_changed_numbers_are_those_of_a_new_attack():
  model, images = tapped(), random_images(count=4)
  attack = PGD(model, eps=2 / 256, steps=3)
  attack(images, 1)
  attack.eps, attack.steps, attack.seed = 8 / 256, 5, 4
  fresh = PGD(model, eps=8 / 256, steps=5, seed=4)
  np.testing.assert_array_equal(attack(images, 1), fresh(images, 1))
  assert attack.describe() == fresh.describe()


def test_one_step_attacks_and_apgd_take_their_step_from_the_budget():
  one, auto = FGSM(tapped(), eps=4 / 256, steps=9), APGD(tapped(), eps=4 / 256, steps=9)
  assert (one.step_size, one.steps) == (4 / 256, 1)
  assert (auto.step_size, auto.steps) == (8 / 256, 9)
  one.eps = auto.eps = 8 / 256
  assert (one.step_size, auto.step_size, auto.steps) == (8 / 256, 16 / 256, 9)


def test_budgets_that_are_likely_in_other_units_are_told(caplog):
  BIM(tapped(), eps=8)
  assert "eps = 8 in units of images in [0, 1] is 8 times the range" in caplog.text
  assert "if 8/256 of the range is meant, pass eps=0.03125" in caplog.text
  caplog.clear()
  BIM(TappedModel(tiny(), bounds=(0, 255)), eps=4 / 255)
  assert "if 0.0156863 of the range is meant, pass eps=4" in caplog.text
  caplog.clear()
  BIM(TappedModel(tiny(), bounds=(0, 255)), eps=8)
  BIM(tapped(), eps=8 / 256)
  assert not caplog.text


def test_the_schedule_in_other_bounds():
  assert schedule(255 / 256, bounds=(0, 255)) == (pytest.approx(0.02 * 255 / 256), 100)
