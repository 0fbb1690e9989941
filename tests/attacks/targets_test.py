"""Targets and noise."""

import numpy as np
import pytest

from hfc_tf.attacks import choose_targets, sign_noise
from hfc_tf.errors import InputError


def test_rules():
  labels, logits = np.array([0, 1, 2]), np.array([[3.0, 2, 1], [0, 5, 1], [0, 1, 2]])
  np.testing.assert_array_equal(choose_targets(labels, logits, "next"), [1, 2, 0])
  np.testing.assert_array_equal(choose_targets(labels, logits, "least_likely"), [2, 0, 0])
  np.testing.assert_array_equal(choose_targets(labels, logits, "1"), [1, 1, 1])


def test_random_targets_are_wrong_seeded_and_keyed_by_sample():
  labels, logits = np.arange(300) % 4, np.zeros((300, 4))
  targets = choose_targets(labels, logits, seed=1)
  assert (targets != labels).all()
  assert np.bincount((targets - labels) % 4, minlength=4)[1:].min() > 60
  np.testing.assert_array_equal(
    choose_targets(labels[100:], logits[100:], ids=np.arange(100, 300), seed=1), targets[100:]
  )
  assert (choose_targets(labels, logits, seed=2) != targets).any()


@pytest.mark.parametrize("rule", ["4", "-1", "other"])
def test_unknown_rules_are_refused(rule):
  with pytest.raises(InputError, match="a target rule"):
    choose_targets(np.array([0]), np.zeros((1, 4)), rule)


def test_noisy_negatives_are_as_large_as_the_attack_and_no_copies():
  images = np.random.default_rng(0).uniform(size=(5, 6, 6, 3)).astype(np.float32)
  noisy = sign_noise(images, 4 / 256, seed=1)
  change = np.abs(noisy - images)
  assert change.max() == pytest.approx(4 / 256, abs=1e-6)
  assert (change > 3.9 / 256).mean() > 0.9  # but where [0, 1] ends
  assert noisy.min() >= 0 and noisy.max() <= 1
  np.testing.assert_array_equal(sign_noise(images[2:], 4 / 256, np.arange(2, 5), 1), noisy[2:])
