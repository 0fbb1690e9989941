"""Draws keyed by seed, sample and step."""

import numpy as np
import tensorflow as tf

from hfc_tf.attacks.draws import uniform


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
  arguments = tf.range(5), 2, tf.constant(3), tf.constant(-1)
  compiled = tf.function(uniform, jit_compile=True)
  np.testing.assert_array_equal(compiled(*arguments), uniform(*arguments))
