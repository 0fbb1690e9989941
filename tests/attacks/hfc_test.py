"""HFCAttack as a class, and what attacks say of themselves."""

import copy

import numpy as np
import pytest

from hfc_tf.attacks import ATTACKS, BIM, CWL2, MIM, HFCAttack
from hfc_tf.attacks.objectives import HFC
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import EPS, balanced, random_images, train_taps


@pytest.fixture(scope="module")
def model():
  return TappedModel(balanced())


@pytest.fixture(scope="module")
def density(model):
  return HierarchicalDensity(2).fit(train_taps(model))


@pytest.mark.parametrize("base", [name for name in ATTACKS if name != "deepfool"])
def test_it_is_of_its_own_class_and_of_its_bases(model, density, base):
  settings = {"kappa": 1.0} if base == "cw" else {}
  attack = HFCAttack(model, density, base=base, weight=0.3, steps=2, **settings)
  assert isinstance(attack, HFCAttack) and isinstance(attack, ATTACKS[base])
  assert list(attack.weights)[-1] == "hfc" and attack.weights["hfc"] == 0.3
  assert repr(attack).startswith(f"HFCAttack on {ATTACKS[base].__name__}(")
  assert "0.3 * HFC(" in repr(attack)
  sum_of_terms = ATTACKS[base](model, steps=2, **settings) + 0.3 * HFC(density)
  assert attack.describe() == sum_of_terms.describe()


def test_copies_share_the_loop_and_keep_their_numbers(model, density):
  attack = HFCAttack(model, density, "pgd", eps=EPS, steps=2)
  other = copy.copy(attack)
  other.eps, other.weights = EPS / 2, {**attack.weights, "hfc": 0.0}
  assert other._loop is attack._loop and attack.eps == EPS and attack.weights["hfc"] == 1.0
  images = random_images(count=4)
  assert np.abs(other(images, 1) - images).max() <= EPS / 2 + 1e-6
  assert isinstance(other, HFCAttack)


def test_settings_that_are_compiled_in_are_compiled_anew(model):
  images = random_images(count=4)
  targets = 1 - model.taps(images).predictions
  attack = CWL2(model, steps=30, searches=2)
  first = attack(images, targets)
  attack.searches = 4
  again = attack(images, targets)
  assert (first != again).any()
  np.testing.assert_array_equal(again, CWL2(model, steps=30, searches=4)(images, targets))


def test_representations_say_what_the_object_is(model, density):
  assert repr(0.5 * HFC(density)) == "0.5 * HFC()"
  assert repr(MIM(model).update) == "Momentum(decay=1.0)"
  assert repr(BIM(model).ball) == "Linf()"
  assert repr(BIM(model, eps=EPS, steps=4)) == (
    "BIM(eps=0.03125 (8/256 of [0, 1]), step_size=0.015625 (4/256 of [0, 1]), steps=4, "
    "targeted=True, seed=0, objective=1 * CrossEntropy(targeted=True))"
  )
