"""Mixtures against TensorFlow Probability, SciPy and scikit-learn."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.stats
import tensorflow_probability as tfp

from hfc_tf.densities import GaussianMixture, ShrunkGaussian, gaussian
from hfc_tf.densities import mixture as mixture_module
from hfc_tf.errors import InputError


def _features(count, width, seed=0):
  generator = np.random.default_rng(seed)
  mixing = generator.normal(size=(width, width)) / np.sqrt(width)
  centres = 2 * generator.normal(size=(3, width))
  points = generator.normal(size=(count, width)) @ mixing
  return (points + centres[generator.integers(3, size=count)]).astype(np.float32)


def _covariance(base):
  inner = base.basis @ np.diag(base.eigenvalues - base.floor) @ base.basis.T
  inner += base.floor * np.eye(len(base.mean))
  return base.scale[:, None] * inner * base.scale


@pytest.mark.parametrize("count,width", [(60, 12), (20, 30)])
def test_shrinkage_is_the_one_that_foretells_each_image_from_the_others(count, width):
  features = _features(count, width).astype(np.float64)
  base = ShrunkGaussian.fit(features)
  standard = (features - features.mean(0)) / features.std(0)
  losses = []
  for intensity in gaussian._INTENSITIES:
    losses.append(0.0)
    for row in range(count):
      others = np.delete(standard, row, axis=0)
      covariance = (1 - intensity) * np.cov(others.T, bias=True) + intensity * np.eye(width)
      normal = scipy.stats.multivariate_normal(others.mean(0), covariance)
      losses[-1] -= normal.logpdf(standard[row])
  intensity = gaussian._INTENSITIES[np.argmin(losses)]
  assert intensity not in gaussian._INTENSITIES[[0, -1]]
  inner = (1 - intensity) * np.corrcoef(features.T) + intensity * np.eye(width)
  deviation = features.std(0)
  np.testing.assert_allclose(
    _covariance(base), deviation[:, None] * inner * deviation, rtol=1e-6, atol=1e-9
  )


@pytest.mark.parametrize("count", [40, 2000])
def test_shrinkage_fades_as_images_come(count):
  features = _features(2000, 60, seed=2)
  shrunk = ShrunkGaussian.fit(features[:count])
  assert shrunk.floor > 0.02 if count == 40 else shrunk.floor < 0.005


@pytest.mark.parametrize("count,width,subspace", [(300, 10, 4), (40, 60, 8), (300, 10, 32)])
def test_log_prob_equals_tfp_and_scipy(count, width, subspace):
  features = _features(count, width)
  mixture = GaussianMixture.fit(features, 3, subspace=subspace)
  log_prob = mixture.log_prob(features[:7])
  distribution = mixture.distribution
  assert isinstance(distribution, tfp.distributions.MixtureSameFamily)
  np.testing.assert_allclose(
    log_prob, distribution.log_prob(features[:7].astype(np.float64)), rtol=1e-6, atol=1e-6
  )
  components = distribution.components_distribution
  dense = [
    np.log(weight) + scipy.stats.multivariate_normal(mean, covariance).logpdf(features[:7])
    for weight, mean, covariance in zip(
      mixture.weights, components.loc.numpy(), components.covariance().numpy(), strict=True
    )
  ]
  np.testing.assert_allclose(log_prob, np.logaddexp.reduce(dense, axis=0), rtol=1e-5, atol=1e-5)


def test_a_start_is_looked_for_in_some_of_many_points_keyed_by_the_seed(monkeypatch):
  monkeypatch.setattr(mixture_module, "_SAMPLE", 100)
  points = np.arange(900.0)[:, None]
  sample = mixture_module._sample(points, 0)
  assert len(np.unique(sample)) == len(sample) == 100
  np.testing.assert_array_equal(sample, mixture_module._sample(points, 0))
  assert not np.array_equal(sample, mixture_module._sample(points, 1))
  np.testing.assert_array_equal(mixture_module._sample(points[:90], 0), points[:90])


def test_distribution_stands_shrinkage_to_the_identity():
  features = np.random.default_rng(0).normal(size=(20, 10)).astype(np.float32)
  mixture = GaussianMixture.fit(features, 2)
  assert np.isclose(mixture.base.eigenvalues, mixture.base.floor).all()
  log_prob = mixture.distribution.log_prob(features.astype(np.float64))
  np.testing.assert_allclose(log_prob, mixture.log_prob(features), rtol=1e-6)


def test_em_never_loses_likelihood_and_converges():
  mixture = GaussianMixture.fit(_features(400, 20), 5, tolerance=1e-7, iterations=500)
  assert mixture.converged
  assert np.diff(mixture.history).min() > -1e-9


def test_one_component_has_the_posterior_mode_of_its_prior():
  features = _features(400, 6).astype(np.float64)
  mixture = GaussianMixture.fit(features, 1)
  base = mixture.base
  whitening = (base.basis / np.sqrt(base.eigenvalues)).T / base.scale
  sample = whitening @ np.cov(features.T, bias=True) @ whitening.T
  np.testing.assert_allclose(
    mixture.covariances[0], (400 * sample + 6 * np.eye(6)) / 406, rtol=1e-8, atol=1e-10
  )
  np.testing.assert_allclose(mixture.means, 0, atol=1e-9)


def test_more_components_explain_clustered_features_better():
  train, held_out = _features(900, 8, seed=1)[:600], _features(900, 8, seed=1)[600:]
  one = GaussianMixture.fit(train, 1).log_prob(held_out).mean()
  three = GaussianMixture.fit(train, 3).log_prob(held_out).mean()
  assert three > one + 0.1


def test_fewer_images_than_units_and_dead_channels_stay_well_posed():
  features = _features(30, 512)
  features[:, 7] = 0.0
  mixture = GaussianMixture.fit(features, 4)
  assert np.isfinite(mixture.log_prob(features)).all()
  assert np.isfinite(mixture.log_prob(10 * features)).all()


@pytest.mark.parametrize("count", [2, 3, 6, 12])
@pytest.mark.parametrize("width", [40, 2048])
def test_what_images_foretell_of_each_other_is_finite_however_few_they_are(count, width):
  generator = np.random.default_rng(0)
  factors = generator.normal(size=(count, 3)) @ generator.normal(size=(3, width))
  features = np.maximum(factors + 0.01 * generator.normal(size=(count, width)), 0)
  features = features.astype(np.float32).astype(np.float64)
  standard = (features - features.mean(0)) / np.where(features.std(0) > 0, features.std(0), 1)
  values, left = np.linalg.eigh(standard @ standard.T / count)
  values, left = values[1:], left[:, 1:]
  basis = standard.T @ left / np.sqrt(values * count)
  losses = gaussian._left_out(standard, basis, values, values.sum() / width, count)
  assert np.isfinite(losses).all()
  if width == 40:
    for number in (10, 30):
      intensity, expected = gaussian._INTENSITIES[number], 0.0
      whole = standard.T @ standard / count
      for row in standard:
        ratio = count / (count - 1)
        others = ratio * (whole - np.outer(row, row) / (count - 1))
        covariance = (1 - intensity) * others + intensity * values.sum() / width * np.eye(width)
        expected += np.linalg.slogdet(covariance)[1]
        expected += ratio**2 * row @ np.linalg.solve(covariance, row)
      np.testing.assert_allclose(losses[number], expected, rtol=1e-6)


def test_a_loss_that_is_no_number_never_wins(monkeypatch):
  features = _features(60, 12)
  best = ShrunkGaussian.fit(features).floor
  left_out = gaussian._left_out
  spoilt = lambda *given: np.where(np.arange(31) < 3, np.nan, left_out(*given))  # noqa: E731
  monkeypatch.setattr(gaussian, "_left_out", spoilt)
  assert ShrunkGaussian.fit(features).floor == best
  monkeypatch.setattr(gaussian, "_left_out", lambda *given: np.full(31, np.nan))
  assert ShrunkGaussian.fit(features).floor == pytest.approx(1)  # the strongest


def test_reprs_say_what_it_is():
  mixture = GaussianMixture.fit(_features(60, 12), 3)
  assert repr(mixture) == "GaussianMixture(components=3, channels=12)"
  assert repr(mixture.base) == "ShrunkGaussian(channels=12, directions=12)"


def test_fewer_images_than_components_says_what_to_do():
  with pytest.raises(InputError, match="at least 5 images of a class for 5 components"):
    GaussianMixture.fit(_features(4, 3), 5)


def test_tensorflow_probability_is_imported_for_a_distribution_alone():
  program = "import sys, hfc_tf.densities.hierarchical, hfc_tf.densities.energy as _\n"
  program += "assert 'tensorflow_probability' not in sys.modules"
  subprocess.run([sys.executable, "-c", program], check=True)
