"""Several fits at once, and scikit-learn's mixtures as this library's."""

import time

import numpy as np
import pytest
import sklearn.mixture

from hfc_tf.densities import em
from hfc_tf.errors import InputError


def _features(count, width, seed=0):
  generator = np.random.default_rng(seed)
  mixing = generator.normal(size=(width, width)) / np.sqrt(width)
  centres = 2 * generator.normal(size=(4, width))
  points = generator.normal(size=(count, width)) @ mixing
  return points + centres[generator.integers(4, size=count)] + 3


def test_fits_at_once_come_in_order():
  def fit(number):
    time.sleep(0.01 * (number % 3))
    return number**2

  assert list(em.fit_each(fit, range(9))) == [number**2 for number in range(9)]


@pytest.mark.parametrize("covariance", ["diag", "full"])
def test_the_mixture_is_the_one_of_scikit_learn(covariance):
  features = _features(600, 6)
  found = em.fit_mixtures(features, 4, covariance, seed=3)
  centred = features - features.mean(0)
  expected = sklearn.mixture.GaussianMixture(4, covariance_type=covariance, random_state=3)
  expected.fit(centred)
  assert found.converged
  assert found.history[-1] == pytest.approx(expected.lower_bound_)
  np.testing.assert_allclose(found.log_prob(features), expected.score_samples(centred), rtol=1e-9)
  np.testing.assert_allclose(found.locations, expected.means_ + features.mean(0), rtol=1e-9)


def test_units_of_channels_move_the_density_by_their_volume_alone():
  features = _features(300, 5)
  scale = 10.0 ** np.arange(-5, 5, 2)
  one = em.fit_mixtures(features, 3)
  other = em.fit_mixtures(features * scale, 3, scale=scale)
  difference = one.log_prob(features) - other.log_prob(features * scale)
  np.testing.assert_allclose(difference, np.log(scale).sum(), rtol=1e-6, atol=1e-6)
  assert one.history[-1] - other.history[-1] == pytest.approx(np.log(scale).sum())


@pytest.mark.parametrize("covariance", ["diag", "full"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("far", [1e3, 1e5, None])
def test_a_row_far_away_and_equal_rows_end_where_scikit_learn_does(covariance, dtype, far):
  rows = np.random.default_rng(0).normal(size=(300, 4))
  if far is None:
    rows[150:] = rows[0]  # components that collapse to their ridge
  else:
    rows[-1] = far
  features = rows.astype(dtype)
  starts = features[[0, 99, 199, 299]].astype(np.float64)
  exact, precisions = features.astype(np.float64), np.full((4, 4), 1e6)
  expected = sklearn.mixture.GaussianMixture(
    4,
    covariance_type=covariance,
    means_init=starts,
    weights_init=np.full(4, 0.25),
    precisions_init=precisions if covariance == "diag" else precisions[:, :, None] * np.eye(4),
    max_iter=60,
  ).fit(exact)
  found = em.fit_mixtures(features, 4, covariance, means_init=starts, iterations=60)
  assert found.log_prob(features).mean() == pytest.approx(expected.score(exact), abs=0.05)
  assert found.history[-1] == pytest.approx(expected.score(exact), abs=0.05)


@pytest.mark.parametrize(
  "features,settings,message",
  [
    (np.zeros((4, 3)), {}, "at least 5 images of a class for 5 components"),
    (np.full((9, 3), np.nan), {}, "finite features"),
    (np.zeros(9), {}, "row of C numbers"),
    (np.zeros((9, 3)), {"covariance": "tied"}, "full or diag"),
    (np.zeros((9, 3)), {"seed": -1}, "a seed from 0"),
    (np.full((9, 3), "one"), {}, "features that are numbers"),
    (np.zeros((9, 3), complex), {}, "features that are numbers"),
  ],
)
def test_what_cannot_be_fitted_says_so(features, settings, message):
  with pytest.raises(InputError, match=message):
    em.fit_mixtures(features, 5, **settings)
