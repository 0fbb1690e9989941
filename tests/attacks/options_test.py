"""The options of attacks that flags reach: each is the constructor's and changes something."""

import inspect

import numpy as np
import pytest

from hfc_tf.attacks import ATTACKS, OPTIONS, mean_gap
from hfc_tf.attacks.loop import GradientAttack
from hfc_tf.attacks.objectives import Change
from hfc_tf.study import attacks
from hfc_tf.study.config import Config
from hfc_tf.taps import TappedModel
from hfc_tf.variants import parse
from tests.attacks.worlds import balanced, random_images, train_taps

CONFIG = Config(eps_256=16.0, steps=6, batch_size=8).resolved()


@pytest.fixture(scope="module")
def world():
  model = TappedModel(balanced((8, 9, 3)))
  images = random_images((8, 9, 3), count=6)
  return model, train_taps(model), images, 1 - model.taps(images).predictions


def made(world, name):
  return attacks.make(world[0], CONFIG, None, world[1], name, (), None)


def run(world, name):
  return made(world, name)(*world[2:])


def test_every_attack_has_its_line_and_every_option_is_the_constructors():
  assert set(OPTIONS) == set(ATTACKS)
  for name, options in OPTIONS.items():
    kinds = [kind for kind in ATTACKS[name].__mro__ if kind is not object]
    known = {key for kind in kinds for key in inspect.signature(kind.__init__).parameters}
    if issubclass(ATTACKS[name], GradientAttack):
      known |= set(inspect.signature(ATTACKS[name]._update).parameters)
    assert set(options) <= known, name


@pytest.mark.parametrize(
  "name", ["tim(kernel=1)", "mim(decay=0)", "di(probability=0)", "bim(restarts=1)"]
)
def test_these_are_bim_bit_for_bit(world, name):
  np.testing.assert_array_equal(run(world, name), run(world, "bim"))


@pytest.mark.parametrize(
  "name",
  [
    "tim(kernel=3)", "tim(reach=1)", "mim(decay=0.25)", "di(probability=1)", "di(smallest=0.5)",
    "pgd(restarts=3)", "cw(kappa=0)", "least(kappa=9)", "deepfool(overshoot=0.5)", "cw_l2(kappa=2)",
    "cw_l2(searches=1)", "cw_l2(first=1)", "cw_l2(learning_rate=0.1)",
  ],
)  # fmt: skip
def test_these_differ_from_the_plain_attack(world, name):
  assert (run(world, name) != run(world, parse(name)[0])).any()


def test_cw_has_the_papers_kappa_unless_it_is_told(world):
  gap = mean_gap(world[1].logits)
  assert made(world, "cw").objective.kappa == pytest.approx(gap) and gap > 0
  assert made(world, "cw(kappa=0)").objective.kappa == 0
  assert made(world, f"cw(kappa={gap!r})").describe() == made(world, "cw").describe()


def test_a_balanced_cw_keeps_the_kappa_that_it_was_given(world):
  attack = attacks.make(world[0], CONFIG, 255, world[1], "cw(kappa=2)", (Change(),), 1.5)
  assert attack.update.kappa == 2
