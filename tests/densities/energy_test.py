"""Forms, their gradients and densities against dense mixtures and central differences."""

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.densities import GaussianMixture
from hfc_tf.densities.energy import LayerEnergy, comparable, energy, log_prob_tensor

CASES = [("low_rank", 300, 8), ("low_rank", 40, 60), ("full", 300, 8)]


def _mixtures(covariance, count, width):
  generator = np.random.default_rng(width)
  mixing = generator.normal(size=(width, width)) / np.sqrt(width)
  features = generator.normal(size=(count, width)) @ mixing
  features += 2 * generator.normal(size=(3, width))[generator.integers(3, size=count)]
  mixtures = [
    GaussianMixture.fit(half, 4, covariance=covariance, subspace=5)
    for half in (features, features + 1)
  ]
  return mixtures, LayerEnergy(mixtures, tf.float64).of_class(tf.constant(1)), features[:11]


def _dense(mixture, features):
  """Forms [B, M] and ln pi_m N [B, M] of dense covariances, and the covariances."""
  components = mixture.distribution.components_distribution
  residuals = features[:, None] - components.loc.numpy()  # [B, M, C]
  covariances = components.covariance().numpy()
  forms = np.einsum(
    "bmc,bmc->bm", residuals, np.linalg.solve(covariances, residuals[..., None])[..., 0]
  )
  log_joint = np.log(mixture.weights) + components.log_prob(features[:, None]).numpy()
  return forms, log_joint, residuals, covariances


@pytest.mark.parametrize("covariance,count,width", CASES)
def test_energy_and_gradient_are_the_closed_form(covariance, count, width):
  mixtures, arrays, features = _mixtures(covariance, count, width)
  forms, log_joint, residuals, covariances = _dense(mixtures[1], features)
  chosen = log_joint.argmax(1)
  rows = np.arange(len(features))
  points = tf.constant(features)
  with tf.GradientTape() as tape:
    tape.watch(points)
    values = energy(arrays, points)
    weighted = tf.reduce_sum(values * tf.range(11.0, dtype=tf.float64))
  np.testing.assert_allclose(values, forms[rows, chosen], rtol=1e-8)
  precisions = np.linalg.inv(covariances)[chosen]
  expected = 2 * rows[:, None] * np.einsum("bij,bj->bi", precisions, residuals[rows, chosen])
  np.testing.assert_allclose(tape.gradient(weighted, points), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("covariance,count,width", CASES)
@pytest.mark.parametrize("function", [energy, comparable, log_prob_tensor])
def test_gradients_equal_central_differences(function, covariance, count, width):
  _, arrays, features = _mixtures(covariance, count, width)
  points = tf.constant(features)
  with tf.GradientTape() as tape:
    tape.watch(points)
    values = function(arrays, points)
  gradients = tape.gradient(values, points).numpy()
  for channel in range(0, width, 3):
    step = np.zeros(width)
    step[channel] = 1e-5
    both = [function(arrays, tf.constant(features + sign * step)).numpy() for sign in (1, -1)]
    expected = (both[0] - both[1]) / 2e-5
    np.testing.assert_allclose(gradients[:, channel], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("covariance,count,width", CASES)
def test_densities_are_those_of_the_mixture(covariance, count, width):
  mixtures, arrays, features = _mixtures(covariance, count, width)
  _, log_joint, _, _ = _dense(mixtures[1], features)
  np.testing.assert_allclose(log_prob_tensor(arrays, features), mixtures[1].log_prob(features))
  np.testing.assert_allclose(
    log_prob_tensor(arrays, features), mixtures[1].distribution.log_prob(features), rtol=1e-6
  )
  difference = comparable(arrays, features).numpy() + log_joint.max(1)
  np.testing.assert_allclose(difference, difference[0], rtol=1e-6)


def test_comparable_does_not_jump_where_the_component_changes():
  mixtures, arrays, _ = _mixtures("low_rank", 300, 8)
  ends = mixtures[1].distribution.components_distribution.loc.numpy()
  line = ends[0] + np.linspace(0, 1, 4001)[:, None] * (ends[1] - ends[0])
  points = tf.constant(line)
  _, log_joint, _, _ = _dense(mixtures[1], line)
  assert len(np.unique(log_joint.argmax(1))) > 1
  smooth = np.abs(np.diff(comparable(arrays, points))).max()
  jump = np.abs(np.diff(energy(arrays, points))).max()
  assert smooth < 0.1 * jump


def test_little_waits_for_the_backward_pass():
  """What autodiff would keep, [B, M, p], is not among the inputs of the gradient."""
  _, arrays, features = _mixtures("low_rank", 300, 8)

  @tf.function(autograph=False)
  def form(points):
    with tf.GradientTape() as tape:
      tape.watch(points)
      values = energy(arrays, points)
    return tape.gradient(values, points)

  gradient = form(tf.constant(features))
  graph = form.get_concrete_function(tf.TensorSpec([None, 8], tf.float64)).graph
  contractions = [op for op in graph.get_operations() if "Einsum" in op.type or "Batch" in op.type]
  assert len(contractions) <= 2  # residuals of all components, and the chosen one's gradient
  assert gradient.shape == features.shape
