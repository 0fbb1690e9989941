"""Selective and orthogonal steps."""

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.attacks import PGD
from hfc_tf.attacks.objectives import CrossEntropy, FeatureMean
from hfc_tf.attacks.updates import Here, Orthogonal, Selective
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import EPS, balanced, random_images


@pytest.mark.parametrize("update", [Selective, Orthogonal])
def test_with_one_term_it_is_pgd_bit_for_bit(update):
  model, images = TappedModel(balanced()), random_images()
  settings = {"eps": EPS, "steps": 8}
  plain = PGD(model, **settings)(images, 1)
  np.testing.assert_array_equal(PGD(model, update=update(), **settings)(images, 1), plain)


def _moved(update, first, second, success):
  values = tf.constant([[0.0, 0.0], [5.0, 6.0]])
  images = tf.zeros_like(first)
  here = Here(
    images,
    [tf.constant(first), tf.constant(second)],
    values,
    tf.constant(success),
    tf.constant(0),
    tf.constant(9),
    0.1,
    None,
  )
  following, state = update.step(here, update.init(images, 2, 0.1, 9))
  return following.numpy(), state


def test_success_decides_which_gradient_is_followed():
  first, second = np.random.default_rng(0).normal(size=(2, 2, 3, 3, 1)).astype(np.float32)
  following, (best, lowest) = _moved(Selective(), first, second, [False, True])
  np.testing.assert_allclose(following[0], -0.1 * np.sign(first[0]))
  np.testing.assert_allclose(following[1], -0.1 * np.sign(second[1]))
  np.testing.assert_array_equal(lowest, [np.inf, 6.0])
  result = Selective().result(tf.ones_like(first), (best, lowest)).numpy()
  assert (result[0] == 1).all() and (result[1] == 0).all()


def test_each_gradient_is_freed_from_the_other():
  first, second = np.random.default_rng(1).normal(size=(2, 2, 3, 3, 1)).astype(np.float32) * 1e-12
  following, _ = _moved(Orthogonal(), first, second, [False, True])
  pairs = [(first[0], second[0]), (second[1], first[1])]
  for moved, (gradient, other) in zip(following, pairs, strict=True):
    gradient, other = gradient.astype(np.float64).ravel(), other.astype(np.float64).ravel()
    free = gradient - gradient @ other / (other @ other) * other
    assert abs(free @ other) < 1e-9 * np.linalg.norm(free) * np.linalg.norm(other)
    np.testing.assert_allclose(moved.ravel(), -0.1 * np.sign(free), rtol=1e-6)
  same, _ = _moved(Orthogonal(), first, np.zeros_like(first), [False, False])
  np.testing.assert_allclose(same, -0.1 * np.sign(first), rtol=1e-6)


@pytest.mark.parametrize("update", [Selective, Orthogonal])
def test_the_class_is_kept_and_the_other_term_lowered(update):
  model, images = TappedModel(balanced()), random_images(count=12)
  targets = 1 - model.taps(images).predictions
  terms, settings = CrossEntropy() + FeatureMean("first"), {"eps": 0.3, "steps": 40}
  plain = model.taps(PGD(model, **settings)(images, targets))
  aware = model.taps(PGD(model, terms, update=update(), **settings)(images, targets))
  fooled = (aware.predictions == targets) & (plain.predictions == targets)
  assert (aware.predictions == targets).mean() >= (plain.predictions == targets).mean() >= 0.9
  lower = aware.features["first"].mean(1) < plain.features["first"].mean(1)
  assert lower[fooled].mean() > 0.9
