"""Draws keyed by seed, sample and step."""

import numpy as np
import tensorflow as tf

from hfc_tf.attacks import sign_noise
from hfc_tf.attacks.balls import Linf
from hfc_tf.attacks.draws import sample_uniform, uniform


def test_uniform_draws_are_uniform_and_keyed():
  ids, draw = tf.range(2000), tf.function(uniform)
  draws = draw(ids, 3, tf.constant(1), tf.constant(2)).numpy()
  assert draws.shape == (2000, 3) and draws.min() >= 0 and draws.max() < 1
  for column in draws.T:
    counts = np.bincount((column * 10).astype(int), minlength=10)
    assert np.abs(counts - 200).max() < 60  # 4.5 standard deviations
  assert abs(np.corrcoef(draws.T)[0, 1]) < 0.1
  assert abs(np.corrcoef(draws[1:, 0], draws[:-1, 0])[0, 1]) < 0.1
  some = draw(tf.constant([1999, 5]), 3, tf.constant(1), tf.constant(2))
  np.testing.assert_array_equal(some, draws[[1999, 5]])
  for seed, step in ((2, 2), (1, 3)):
    other = draw(ids, 3, tf.constant(seed), tf.constant(step)).numpy()
    assert (other != draws).mean() > 0.99


def test_xla_draws_the_same():
  arguments = tf.constant([0, 2**31 - 1, 5, -7]), 2, tf.constant(3), tf.constant(-1)
  compiled = tf.function(uniform, jit_compile=True)
  np.testing.assert_array_equal(compiled(*arguments), uniform(*arguments))


def test_draws_are_those_of_ever():
  ids, seed = np.array([5, 2**31 - 1, -3]), tf.constant(3)
  wanted = [[-0.030772686, -0.41620326], [0.15020227, 0.82656384], [0.6545453, -0.58295536]]
  draws = sample_uniform(tf.constant(ids, tf.int32), [2], seed)
  np.testing.assert_allclose(draws, wanted, rtol=1e-6)
  draws = uniform(tf.constant(ids[:2], tf.int32), 2, seed, tf.constant(1))
  wanted_steps = [[0.013090372, 0.97725517], [0.9861139, 0.65716326]]
  np.testing.assert_allclose(draws, wanted_steps, rtol=1e-6)


def test_noise_and_random_starts_are_independent():
  images, eps = np.full((8, 8, 8, 3), 0.5, np.float32), 8 / 256
  ids = tf.range(8)
  start = Linf().random_start(tf.constant(images), tf.constant(eps), ids, tf.constant(0)).numpy()
  same = np.mean(np.sign(sign_noise(images, eps) - images) == np.sign(start - images))
  assert 0.45 < same < 0.55
