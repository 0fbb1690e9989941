"""EM with its prior against the steps written down, with scikit-learn's E-step."""

import numpy as np
import pytest
import sklearn.mixture

from hfc_tf.densities.expectation import maximise


def _points(count, size, seed=0):
  generator = np.random.default_rng(seed)
  centres = 2 * generator.normal(size=(4, size))
  points = generator.normal(size=(count, size)) + centres[generator.integers(4, size=count)]
  return (points - points.mean(0)) / points.std(0)


def _steps(points, centres, iterations):
  """The same steps with scikit-learn's densities and plain sums."""
  many, size = centres.shape
  mixture = sklearn.mixture.GaussianMixture(many)
  mixture.weights_, mixture.means_ = np.full(many, 1 / many), centres
  mixture.covariances_ = np.tile(1e-6 * np.eye(size), (many, 1, 1))
  for _ in range(iterations):
    mixture.precisions_cholesky_ = np.linalg.cholesky(np.linalg.inv(mixture.covariances_))
    shares = mixture.predict_proba(points)
    counts = shares.sum(0)
    mixture.weights_ = (counts + 1) / (len(points) + many)
    mixture.means_ = shares.T @ points / counts[:, None]
    residuals = points[:, None] - mixture.means_
    scatter = np.einsum("nm,nmi,nmj->mij", shares, residuals, residuals)
    mixture.covariances_ = (scatter + size * np.eye(size)) / (counts + size)[:, None, None]
  return mixture


@pytest.mark.parametrize("size", [1, 6, 40])
@pytest.mark.parametrize(("dtype", "precision"), [(np.float64, 1e-8), (np.float32, 1e-5)])
def test_em_takes_the_steps_that_are_written_down(size, dtype, precision):
  points = _points(600, size)
  tolerance = 1e-12 if dtype == np.float64 else 1e-4  # finer ones are met in float64
  result = maximise(points.astype(dtype), points[:5], tolerance, 12)
  assert len(result.history) > 3
  expected = _steps(points, points[:5], len(result.history))
  np.testing.assert_allclose(result.weights, expected.weights_, rtol=precision)
  np.testing.assert_allclose(result.means, expected.means_, atol=precision)
  np.testing.assert_allclose(result.covariances, expected.covariances_, atol=precision)
  assert np.diff(result.history).min() > -1e-6


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_golden_mixture(dtype):
  points = _points(200, 3, seed=1)
  result = maximise(points.astype(dtype), points[:3], 1e-3, 100)
  precision = 1e-10 if dtype == np.float64 else 1e-6
  weights = [0.45800708918, 0.229557560863, 0.312435349957]
  means = [-0.631443970784, 0.752131537076, 0.380940921866]
  covariances = [-0.275436528508, -0.045948617109, -0.014443050542]
  np.testing.assert_allclose(result.weights, weights, atol=precision)
  np.testing.assert_allclose(result.means[:, 0], means, atol=precision)
  np.testing.assert_allclose(result.covariances[:, 0, 1], covariances, atol=precision)
  assert result.history[-1] == pytest.approx(-4.1910940897523945, abs=precision)
  assert result.converged and len(result.history) == 10


def test_the_last_iteration_is_the_one_asked_for():
  points = _points(300, 5)
  result = maximise(points, points[:3], 1e-9, 4)
  assert not result.converged and len(result.history) == 4
