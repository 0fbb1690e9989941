"""Carlini and Wagner's L2 attack, where the answer is known."""

import numpy as np

from hfc_tf.attacks import CWL2, DeepFool, HFCAttack
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.taps import TappedModel
from tests.attacks.deepfool_test import _distances, linear
from tests.attacks.worlds import balanced, random_images, train_taps


def test_the_distance_of_a_linear_model():
  model = linear(2)
  images = np.random.default_rng(0).uniform(0.4, 0.6, (9, 4, 4, 1)).astype(np.float32)
  labels = model.taps(images).predictions
  adversarials = CWL2(model, steps=200)(images, 1 - labels)
  assert (model.taps(adversarials).predictions == 1 - labels).all()
  moved = np.linalg.norm((adversarials - images).reshape(9, -1), axis=1)
  nearest = _distances(model, images, labels)[np.arange(9), 1 - labels]
  assert (moved >= nearest - 1e-4).all()
  np.testing.assert_allclose(moved, nearest, rtol=0.03, atol=1e-3)


def test_confidence_is_the_lead_that_is_kept():
  model, images = TappedModel(balanced()), random_images(count=6)
  targets = 1 - model.taps(images).predictions
  for kappa in (0.0, 2.0):
    taps = model.taps(CWL2(model, kappa=kappa, steps=80)(images, targets))
    leads = np.diff(taps.logits).ravel() * np.where(targets == 1, 1, -1)
    assert (leads >= kappa - 1e-3).all() and leads.mean() < kappa + 1.0


def test_it_finds_no_longer_way_than_deepfool():
  model, images = TappedModel(balanced(classes=3)), random_images(count=8)
  labels = model.taps(images).predictions
  lengths = [
    np.linalg.norm((attack(images, labels) - images).reshape(8, -1), axis=1)
    for attack in (CWL2(model, targeted=False, steps=150), DeepFool(model, targeted=False))
  ]
  assert np.median(lengths[0]) <= np.median(lengths[1]) * 1.02


def test_images_that_cannot_be_moved_there_come_back_clean():
  model, images = TappedModel(balanced()), random_images(count=2)
  targets = 1 - model.taps(images).predictions
  np.testing.assert_array_equal(CWL2(model, kappa=1e6, steps=5)(images, targets), images)


def test_hfc_joins_the_margin():
  model, images = TappedModel(balanced()), random_images(count=6)
  targets = 1 - model.taps(images).predictions
  density = HierarchicalDensity(2).fit(train_taps(model))
  plain = CWL2(model, steps=50)(images, targets)
  hidden = HFCAttack(model, density, "cw_l2", 1.0, steps=50)(images, targets)
  taps = model.taps(hidden)
  assert (taps.predictions == targets).all()
  assert (hidden != plain).any()
