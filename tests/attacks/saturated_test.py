"""Attacks on models whose softmax is sure, and what is said where a gradient is dead."""

import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.attacks import APGD, BIM, CWL2, FGSM, MIM, PGD, DeepFool
from hfc_tf.attacks.objectives import Batch, CrossEntropy, LogOdds, Margin
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import balanced, random_images

EPS = 24 / 256


@pytest.fixture(scope="module")
def sure():
  return TappedModel(balanced(classes=3, sharpness=1e5))


@pytest.fixture(scope="module")
def labels(sure):
  return sure.taps(random_images(count=16)).predictions


@pytest.mark.parametrize("kind", [FGSM, BIM, PGD, MIM, APGD])
def test_untargeted_attacks_reach_as_many_as_on_the_margin(sure, labels, kind, caplog):
  images, settings = random_images(count=16), {"eps": EPS, "steps": 10, "targeted": False}
  left = [
    (sure.taps(kind(sure, objective, **settings)(images, labels)).predictions != labels).mean()
    for objective in (None, Margin(None, False))
  ]
  assert "gradient" not in caplog.text
  assert left[0] >= left[1] - 0.1 and left[0] > 0.5


def test_log_odds_step_as_the_cross_entropy_where_that_is_alive():
  model, images = TappedModel(balanced(classes=3, sharpness=3.0)), random_images(count=6)
  labels = model.taps(images).predictions
  for kind in (BIM, MIM, APGD):
    settings = {"eps": EPS, "steps": 6, "targeted": False}
    made = kind(model, **settings)(images, labels)
    plain = kind(model, CrossEntropy(False), **settings)(images, labels)
    assert np.mean(np.abs(made - plain) > 1e-6) < 0.01


def test_log_odds_and_their_gradient():
  logits = tf.constant([[1.0, 2.0, 0.5], [0.0, 90000.0, 3.0]])
  batch = Batch(logits, tf.constant([0, 1]), tf.range(2))
  with tf.GradientTape() as tape:
    tape.watch(logits)
    odds = LogOdds().term((), batch, logits, {})
  chance = np.exp(1.0) / np.exp([1.0, 2.0, 0.5]).sum()
  np.testing.assert_allclose(odds[0], np.log(chance / (1 - chance)), rtol=1e-5)
  gradient = tape.gradient(odds, logits).numpy()
  np.testing.assert_allclose(gradient.sum(1), 0, atol=1e-6)
  np.testing.assert_allclose(gradient[1], [-np.exp(-3) / (1 + np.exp(-3)), 1,
                                           -1 / (1 + np.exp(-3))], rtol=1e-4)  # fmt: skip


def test_a_dead_cross_entropy_is_told_with_its_share(sure, labels, caplog):
  images = random_images(count=16)
  made = BIM(sure, CrossEntropy(False), eps=EPS, steps=3, targeted=False)(images, labels)
  still = (made == images).reshape(16, -1).all(1)
  assert still.mean() > 0.5
  assert f"exactly zero or not finite at {100 * still.mean():.0f} % of 16 images" in caplog.text


def _masked():
  inputs = keras.Input((8, 8, 3))
  dead = keras.layers.Conv2D(4, 3, bias_initializer=keras.initializers.Constant(-100.0))(inputs)
  pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(dead))
  return TappedModel(keras.Model(inputs, keras.layers.Dense(2)(pooled)))


@pytest.mark.parametrize(
  "make",
  [
    lambda model: BIM(model, steps=2),
    lambda model: BIM(model, steps=2, jit_compile=True),
    lambda model: PGD(model, steps=2, restarts=2),
    lambda model: APGD(model, steps=2),
    lambda model: DeepFool(model),
    lambda model: CWL2(model, steps=2, searches=2),
  ],
)
def test_every_kind_of_attack_tells_a_masked_gradient(make, caplog):
  model, images = _masked(), random_images(count=4)
  target = 1 - int(model.taps(images).predictions[0])
  make(model)(images, target)
  assert "exactly zero or not finite at 100 % of 4 images" in caplog.text


def test_a_gradient_that_is_not_finite_is_told_and_leaves_the_image(caplog):
  inputs = keras.Input((4, 4, 1))
  flat = keras.layers.Flatten()(keras.layers.ReLU()(inputs))
  root = keras.layers.Lambda(lambda x: keras.ops.sqrt(keras.ops.relu(x - 0.5)))(flat)
  model = TappedModel(keras.Model(inputs, keras.layers.Dense(2)(root)))
  images = np.full((2, 4, 4, 1), 0.25, np.float32)
  target = 1 - int(model.taps(images).predictions[0])
  np.testing.assert_array_equal(BIM(model, steps=2)(images, target), images)
  assert "not finite at 100 % of 2 images" in caplog.text


def test_labels_in_the_place_of_targets_are_told(sure, labels, caplog):
  images = random_images(count=16)
  PGD(sure, steps=2)(images, labels)
  assert "predicts the target on 100 % of 16 images before the attack" in caplog.text
  caplog.clear()
  BIM(sure, steps=2, targeted=False)(images, (labels + 1) % 3)
  assert "does not predict the class on 100 %" in caplog.text
  caplog.clear()
  BIM(sure, steps=2)(images, (labels + 1) % 3)
  assert not caplog.text


def test_threads_get_the_bytes_of_one_after_the_other(sure, labels):
  attack, images = PGD(sure, eps=EPS, steps=5), random_images(count=16)
  targets = (labels + 1) % 3
  wanted = [attack(images[first::4], targets[first::4], np.arange(4)) for first in range(4)]
  results = [None] * 4

  def work(first):
    for _ in range(3):
      results[first] = attack(images[first::4], targets[first::4], np.arange(4))

  threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  for one, other in zip(results, wanted, strict=True):
    np.testing.assert_array_equal(one, other)
