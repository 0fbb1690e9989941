"""Objectives: sums, weights, gradients against central differences in float64-like steps."""

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.attacks.objectives import HFC, Batch, CrossEntropy
from hfc_tf.densities import HierarchicalDensity
from tests.networks import tapped


@pytest.fixture(scope="module")
def model():
  return tapped()


@pytest.fixture(scope="module")
def density(model):
  images = np.random.default_rng(1).uniform(size=(40, 8, 8, 3)).astype(np.float32)
  return HierarchicalDensity(2).fit(model.taps(images, np.arange(40) % 2))


def test_sums_keep_their_terms_and_weights(density):
  total = CrossEntropy() + 0.3 * HFC(density)
  assert [(term.name, term.weight) for term in total.terms] == [("cross_entropy", 1), ("hfc", 0.3)]
  doubled = 2 * total
  assert [term.weight for term in doubled.terms] == [2.0, 0.6]
  assert [term.weight for term in total.terms] == [1.0, 0.3]


def test_hfc_is_equation_16_written_out(model, density):
  images = tf.constant(np.random.default_rng(2).uniform(size=(3, 8, 8, 3)), tf.float32)
  logits, features = model(images)
  hfc = HFC(density)
  batch = Batch(images, tf.ones(3, tf.int32), tf.range(3))
  expected = np.zeros(3)
  for name in model.layers:
    mixture = density.mixtures_[name][1]
    components = mixture.distribution.components_distribution
    points = features[name].numpy().astype(np.float64)
    joint = np.log(mixture.weights) + components.log_prob(points[:, None]).numpy()
    for row, chosen in enumerate(joint.argmax(1)):
      residual = points[row] - components.loc.numpy()[chosen]
      form = residual @ np.linalg.solve(components.covariance().numpy()[chosen], residual)
      expected[row] += form / (2 * len(residual))
  np.testing.assert_allclose(hfc.term(hfc.prepare(batch), batch, logits, features), expected, 1e-3)


def test_cross_entropy_and_its_gradient():
  logits = tf.constant([[1.0, 2.0, 0.5], [0.0, 0.0, 3.0]])
  batch = Batch(logits, tf.constant([0, 2]), tf.range(2))
  with tf.GradientTape() as tape:
    tape.watch(logits)
    loss = CrossEntropy().term((), batch, logits, {})
  softmax = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
  np.testing.assert_allclose(loss, -np.log(softmax[[0, 1], [0, 2]]), rtol=1e-6)
  # TMI Eq. 6: p_k - y_k
  np.testing.assert_allclose(tape.gradient(loss, logits), softmax - np.eye(3)[[0, 2]], atol=1e-6)
  np.testing.assert_allclose(CrossEntropy(False).term((), batch, logits, {}), -loss)
