"""Configurations of attacks make the same attacks again."""

import json

import numpy as np
import pytest

from hfc_tf.attacks import ATTACKS, BIM, CW, PGD, HFCAttack
from hfc_tf.attacks.objectives import HFC, Margin
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import EPS, attack, balanced, random_images, train_taps


@pytest.fixture(scope="module")
def model():
  return TappedModel(balanced())


def again(one, **objects):
  config = json.loads(json.dumps(one.get_config()))
  return type(one).from_config(config, one.model, **objects)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_made_again(model, name):
  settings = {} if name in ("deepfool", "cw_l2") else {"eps": EPS}
  one = attack(name, model, **settings, seed=4) if settings else ATTACKS[name](model, steps=3)
  assert again(one).describe() == one.describe()


@pytest.mark.parametrize("aim", ["mode", "typical"])
def test_hidden_ones_are_given_their_objects_again(model, aim):
  train = train_taps(model)
  density = HierarchicalDensity(2).fit(train)
  objects = {"density": density} | ({"train": train} if aim == "typical" else {})
  one = HFCAttack(model, base="mim", decay=0.5, steps=4, aim=aim, **objects)
  name = [*one.weights][-1]
  one.weights[name] = 0.25
  one.eps = 2 * EPS
  other = again(one, **objects)
  assert other.describe() == one.describe() and other.weights[name] == 0.25
  assert one.get_config()["objects"] == sorted(objects)
  images = random_images()
  np.testing.assert_array_equal(one(images, 1), other(images, 1))
  with pytest.raises(InputError, match="the objects density"):
    again(one)
  with pytest.raises(InputError, match="a configuration of PGD"):
    PGD.from_config(one.get_config(), model, **objects)


def test_balanced_weight(model):
  density = HierarchicalDensity(2).fit(train_taps(model))
  one = HFCAttack(model, density, "pgd", "balanced", levels=255, steps=4, eps=EPS)
  assert again(one, density=density).describe() == one.describe()


def test_what_the_constructor_does_not_make_is_refused(model):
  density = HierarchicalDensity(2).fit(train_taps(model))
  one = BIM(model, eps=EPS)
  changed = BIM(model, eps=EPS)
  changed.objective = Margin(1.0)
  for other in (one + HFC(density), one.balanced(HFC(density)), changed):
    with pytest.raises(InputError, match="as its constructor makes it"):
      other.get_config()
  with pytest.raises(InputError, match="the objects none"):
    BIM.from_config(one.get_config(), model, density=density)


def test_objectives_are_objects(model):
  one = CW(model, Margin(2.0), eps=EPS, steps=3)
  assert one.get_config()["objects"] == ["objective"]
  assert again(one, objective=Margin(2.0)).describe() == one.describe()
