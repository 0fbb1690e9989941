"""Carlini and Wagner's loss and its sign."""

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.attacks import BIM, CW, mean_gap
from hfc_tf.attacks.objectives import Batch, Margin
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import EPS, balanced, random_images

LOGITS = tf.constant([[1.0, 4.0, 2.0], [5.0, -1.0, 0.0], [0.0, 3.0, 3.5]])
BATCH = Batch(LOGITS, tf.constant([1, 1, 1]), tf.range(3))


def test_values_by_hand():
  np.testing.assert_allclose(Margin().term((), BATCH, LOGITS, {}), [-2, 6, 0.5])
  np.testing.assert_allclose(Margin(1.0).term((), BATCH, LOGITS, {}), [-1, 6, 0.5])
  np.testing.assert_allclose(Margin(1.0, False).term((), BATCH, LOGITS, {}), [2, -1, -0.5])


def test_descent_raises_the_target_and_ends_at_kappa():
  with tf.GradientTape() as tape:
    tape.watch(LOGITS)
    loss = Margin(1.0).term((), BATCH, LOGITS, {})
  gradient = tape.gradient(loss, LOGITS)
  np.testing.assert_array_equal(gradient, [[0, 0, 0], [1, -1, 0], [0, -1, 1]])


def test_minimising_it_reaches_the_target():
  model, images = TappedModel(balanced(classes=3)), random_images(count=8)
  targets = (model.taps(images).predictions + 1) % 3
  before = model.taps(images).logits[np.arange(8), targets]
  for attack in (CW(model, eps=EPS, steps=10, kappa=50.0), BIM(model, Margin(), eps=EPS, steps=10)):
    after = model.taps(attack(images, targets)).logits[np.arange(8), targets]
    assert (after > before).all()


def test_it_stops_where_the_lead_is_enough():
  model, images = TappedModel(balanced()), random_images(count=8)
  targets = 1 - model.taps(images).predictions
  leads = {}
  for kappa in (0.5, 5.0):
    taps = model.taps(CW(model, eps=0.3, steps=60, kappa=kappa)(images, targets))
    leads[kappa] = np.diff(taps.logits).ravel() * np.where(targets == 1, 1, -1)
  assert (leads[0.5] > 0.4).all() and (leads[0.5].mean() < leads[5.0].mean())


def test_the_mean_gap_is_that_of_the_two_largest():
  assert mean_gap(LOGITS) == pytest.approx((2 + 5 + 0.5) / 3)
  assert mean_gap(np.array([[1.0, 4.0], [3.0, 2.0]])) == pytest.approx(2)


def test_a_negative_kappa_is_refused():
  with pytest.raises(InputError, match="kappa >= 0"):
    Margin(-1.0)
