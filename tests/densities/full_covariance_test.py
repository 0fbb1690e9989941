"""Mixtures with full covariances: scikit-learn's, in units of the channels."""

import numpy as np
import pytest
import sklearn.mixture

from hfc_tf.densities import GaussianMixture
from hfc_tf.errors import InputError


def _features(count, width, seed=0):
  generator = np.random.default_rng(seed)
  mixing = generator.normal(size=(width, width)) / np.sqrt(width)
  centres = 2 * generator.normal(size=(4, width))
  points = generator.normal(size=(count, width)) @ mixing
  return points + centres[generator.integers(4, size=count)] + 3


def _full(features, components=4, **settings):
  return GaussianMixture.fit(features, components, covariance="full", **settings)


def _reference(features, seed=0, **settings):
  """scikit-learn's mixture of standardised features, these, and the volume of their units."""
  exact = features.astype(np.float64)
  standard = (exact - exact.mean(0)) / exact.std(0)
  mixture = sklearn.mixture.GaussianMixture(4, random_state=seed, **settings)
  return mixture.fit(standard), standard, np.log(exact.std(0)).sum()


def test_the_mixture_is_the_one_of_scikit_learn():
  features = _features(600, 6)
  mixture = _full(features, seed=3)
  expected, standard, volume = _reference(features, seed=3)
  assert mixture.converged
  assert mixture.history[-1] == pytest.approx(expected.lower_bound_ - volume)
  log_prob = expected.score_samples(standard) - volume
  np.testing.assert_allclose(mixture.log_prob(features), log_prob, rtol=1e-9)
  locations = expected.means_ * features.std(0) + features.mean(0)
  np.testing.assert_allclose(mixture.locations, locations, rtol=1e-9)


def test_units_of_channels_move_the_density_by_their_volume_alone():
  features = _features(300, 5)
  scale = 10.0 ** np.arange(-5, 5, 2)
  one, other = _full(features), _full(features * scale)
  difference = one.log_prob(features) - other.log_prob(features * scale)
  np.testing.assert_allclose(difference, np.log(scale).sum(), rtol=1e-6, atol=1e-6)
  assert one.history[-1] - other.history[-1] == pytest.approx(np.log(scale).sum())


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("far", [1e3, 1e5, None])
def test_a_row_far_away_and_equal_rows_end_where_scikit_learn_does(dtype, far):
  rows = np.random.default_rng(0).normal(size=(300, 4))
  if far is None:
    rows[150:] = rows[0]  # components that collapse to their ridge
  else:
    rows[-1] = far
  features = rows.astype(dtype)
  expected, standard, volume = _reference(features, max_iter=60)
  mixture = _full(features, iterations=60)
  score = expected.score(standard) - volume
  assert mixture.log_prob(features).mean() == pytest.approx(score, abs=0.05)
  assert mixture.history[-1] == pytest.approx(score, abs=0.05)


@pytest.mark.parametrize(
  "features,settings,message",
  [
    (np.zeros((4, 3)), {}, "at least 5 images of a class for 5 components"),
    (np.full((9, 3), np.nan), {}, "finite features"),
    (np.zeros(9), {}, "row of C numbers"),
    (np.zeros((9, 3)), {"covariance": "tied"}, "low_rank, full"),
    (np.zeros((9, 3)), {"seed": -1}, "a seed from 0"),
    (np.full((9, 3), "one"), {}, "features that are numbers"),
    (np.zeros((9, 3), complex), {}, "features that are numbers"),
  ],
)
def test_what_cannot_be_fitted_says_so(features, settings, message):
  with pytest.raises(InputError, match=message):
    GaussianMixture.fit(features, 5, **({"covariance": "full"} | settings))
