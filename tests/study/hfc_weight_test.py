"""Weights and budgets that keep an attack working, on a study that is a function."""

import types

import numpy as np
import pytest

from hfc_tf.study import hfc_weight


class Loud:
  """Succeeds on the share of images that its weight and budget leave it."""

  def __init__(self, weights, eps=1.0, limit=0.95):
    self.weights, self.eps, self.limit = weights, eps, limit


class Study:
  """Its classifier sees the target where `strength(attack)` exceeds the image's number."""

  def __init__(self, strength, images=96, tuning=100, levels=None):
    self.levels = levels
    self.config = types.SimpleNamespace(tuning_images=tuning, seed=0, batch_size=16, eps_256=4.0)
    self.targets = {"adv_train": np.arange(images) % 2}
    self.warnings = []
    self.victim = types.SimpleNamespace(model=self)
    self.asked = []
    self._strength = strength

  def aimed(self, subset):
    return np.ones(len(self.targets[subset]), bool)

  def warn(self, *warnings):
    self.warnings += warnings

  def attack(self, name, eps):
    return Loud({}, eps)

  def attacked(self, name, attack, subset, rows):
    self.asked.append(len(rows))
    fooled = rows < self._strength(attack)
    return np.where(fooled, self.targets[subset][rows], 1 - self.targets[subset][rows])

  def taps(self, images):
    return types.SimpleNamespace(predictions=images)


def test_works_at_ninety_five_percent():
  strong, weak = Study(lambda attack: 92), Study(lambda attack: 91)
  assert hfc_weight.succeeds(strong, "bim", Loud({}))
  assert strong.asked == 6 * [16]  # 100 images, rounded to whole chunks of one target
  assert not hfc_weight.succeeds(weak, "bim", Loud({}))


def test_only_attacked_images_tune():
  study = Study(lambda attack: 96)
  # A fixed target: the others are of its class.
  study.aimed = lambda subset: study.targets[subset] == 1
  assert hfc_weight.succeeds(study, "bim", Loud({}))
  assert sum(study.asked) == 48


def test_hopeless_attacks_are_given_up_early():
  hopeless = Study(lambda attack: 0)
  assert not hfc_weight.succeeds(hopeless, "bim", Loud({}))
  assert hopeless.asked == [16]


@pytest.mark.parametrize("scale", [1.0, 1e-3, 200.0])
def test_the_largest_weight_of_a_term(scale):
  study = Study(lambda attack: 100 if attack.weights["kde"] <= 5 * scale else 50)
  weight = hfc_weight.tune_weight(study, "bim", Loud({"kde": 1.0}), "kde", start=scale, scale=scale)
  assert 5 * scale / 2**0.5 / 1.001 <= weight <= 5 * scale
  assert not study.warnings


def test_no_weight_works():
  study = Study(lambda attack: 50)
  assert hfc_weight.tune_weight(study, "bim", Loud({"hfc": 1.0}), "hfc") is None
  assert "no weight on hfc" in study.warnings[0]


@pytest.mark.parametrize("least", [0.5, 4.0, 30.0])
def test_the_smallest_budget(least):
  study = Study(lambda attack: 100 if 256 * attack.eps >= least else 0)
  budget = 256 * hfc_weight.smallest_budget(study, "bim")
  assert least * 0.999 <= budget <= least * 2**0.25 * 1.001


@pytest.mark.parametrize("least", [0.5, 3.0, 29.5])
def test_the_smallest_budget_of_files_is_of_whole_grey_levels(least):
  study = Study(lambda attack: 100 if 256 * attack.eps >= least else 0, levels=255)
  budget = 256 * hfc_weight.smallest_budget(study, "bim")
  assert budget == round(budget) and least <= budget <= least * 2**0.25 + 1


def test_weighting_leaves_the_attack_alone():
  attack = Loud({"cross_entropy": 1.0, "hfc": 1.0})
  changed = hfc_weight.with_weight(attack, "hfc", 4.0)
  assert attack.weights == {"cross_entropy": 1.0, "hfc": 1.0}
  assert changed.weights == {"cross_entropy": 1.0, "hfc": 4.0}


@pytest.mark.parametrize(
  ("given", "rule"),
  [("1", "paper"), ("1.0", "paper"), ("auto",) * 2, ("balanced",) * 2, ("0.30", "weight 0.3")],
)
def test_rules(given, rule):
  assert hfc_weight.weight_rule(given) == rule
