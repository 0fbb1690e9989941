"""Sums of attacks and terms, and what describes them."""

import copy
import json

import numpy as np
import pytest

from hfc_tf.attacks import APGD, BIM, PGD, DeepFool, HFCAttack
from hfc_tf.attacks.objectives import HFC, CrossEntropy, FeatureMean, Margin
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import EPS, attack, balanced, random_images, train_taps


@pytest.fixture(scope="module")
def model():
  return TappedModel(balanced())


@pytest.fixture(scope="module")
def density(model):
  return HierarchicalDensity(2).fit(train_taps(model))


def test_an_attack_plus_a_term_is_the_attack_on_their_sum(model, density):
  images, settings = random_images(), {"eps": EPS, "steps": 5}
  plain = BIM(model, **settings)
  together = plain + 0.3 * HFC(density)
  assert plain.weights == {"cross_entropy": 1.0}
  assert together.weights == {"cross_entropy": 1.0, "hfc": 0.3}
  given = BIM(model, CrossEntropy() + 0.3 * HFC(density), **settings)
  adversarials = together(images, 1)
  np.testing.assert_array_equal(adversarials, given(images, 1))
  np.testing.assert_array_equal(
    adversarials, HFCAttack(model, density, "bim", 0.3, **settings)(images, 1)
  )
  assert (plain(images, 1) != adversarials).any()


def test_terms_that_do_not_fit_are_refused(model, density):
  with pytest.raises(InputError, match="a targeted attack"):
    BIM(model, targeted=False) + HFC(density)
  with pytest.raises(InputError, match="different names"):
    BIM(model) + CrossEntropy()
  with pytest.raises(InputError, match="deepfool alone"):
    HFCAttack(model, density, "deepfool")
  with pytest.raises(InputError, match="deepfool alone"):
    DeepFool(model, CrossEntropy())
  with pytest.raises(InputError, match="kappa of CW"):
    attack("cw", model, kappa=None)
  with pytest.raises(InputError, match="at least one run"):
    PGD(model, restarts=0)


def test_descriptions_are_json_and_tell_all_that_matters(model, density):
  def text(made):
    return json.dumps(made.describe(), sort_keys=True)

  settings = {"eps": EPS, "steps": 5}
  made = HFCAttack(model, density, "mim", 0.3, **settings)
  config = made.describe()
  assert config["class"] == "MIM" and config["update"] == {"class": "Momentum", "decay": 1.0}
  assert config["weights"] == {"cross_entropy": 1.0, "hfc": 0.3}
  assert set(config["objective"]) == {"cross_entropy", "hfc"}
  assert config["ball"] == {"class": "Linf"} and config["eps"] == EPS and config["steps"] == 5
  for name in ("step_size", "random_start", "restarts", "targeted", "seed", "batch_size"):
    assert name in config
  assert text(made) == text(HFCAttack(model, density, "mim", 0.3, **settings))

  other = HierarchicalDensity(2, seed=1).fit(train_taps(model, 61))
  changed = copy.copy(made)
  changed.weights = {**made.weights, "hfc": 0.5}
  different = [
    changed,
    HFCAttack(model, other, "mim", 0.3, **settings),
    HFCAttack(model, density, "mim", 0.3, decay=0.5, **settings),
    HFCAttack(model, density, "bim", 0.3, **settings),
    HFCAttack(model, density, "mim", 0.3, eps=EPS / 2, steps=5),
    HFCAttack(model, density, "mim", 0.3, seed=1, **settings),
    BIM(model, **settings),
    BIM(model, targeted=False, **settings),
    BIM(model, Margin(), **settings),
    BIM(model, Margin(2.0), **settings),
    BIM(model, FeatureMean("first"), **settings),
    BIM(model, FeatureMean("first", -1), **settings),
    APGD(model, **settings),
    *(attack(name, model, **settings) for name in ("tim", "di", "cw", "fgsm", "deepfool", "cw_l2")),
  ]
  assert len({text(each) for each in [made, *different]}) == 1 + len(different)


def test_a_description_does_not_depend_on_what_was_run(model, density):
  made = HFCAttack(model, density, "pgd", eps=EPS, steps=2)
  before = made.describe()
  made(random_images(count=2), 1)
  assert made.describe() == before
