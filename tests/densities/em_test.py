"""EM against scikit-learn, in memory and streamed."""

import time

import numpy as np
import pytest
import sklearn.mixture
import tensorflow as tf

from hfc_tf.densities import blocks as blocks_module
from hfc_tf.densities import em, expectation, moments
from hfc_tf.errors import InputError


def _features(count, width, seed=0):
  generator = np.random.default_rng(seed)
  mixing = generator.normal(size=(width, width)) / np.sqrt(width)
  centres = 2 * generator.normal(size=(4, width))
  points = generator.normal(size=(count, width)) @ mixing
  return points + centres[generator.integers(4, size=count)] + 3


def _sklearn(features, starts, weights, covariance, regularisation, tolerance, iterations=100):
  many, width = starts.shape
  precisions = np.full((many, width), 1 / regularisation)
  if covariance == "full":
    precisions = precisions[:, :, None] * np.eye(width)
  return sklearn.mixture.GaussianMixture(
    many,
    covariance_type=covariance,
    means_init=starts,
    weights_init=weights,
    precisions_init=precisions,
    reg_covar=regularisation,
    tol=tolerance,
    max_iter=iterations,
  ).fit(features)


@pytest.mark.parametrize("covariance", ["diag", "full"])
@pytest.mark.parametrize("width", [6, 70])  # more than 32 channels take another way
@pytest.mark.parametrize("size", [None, 256])  # in memory, or in blocks of 256
def test_em_takes_the_steps_of_scikit_learn(covariance, width, size, monkeypatch):
  if size:
    monkeypatch.setattr(blocks_module, "_BYTES", 1)
  features = _features(600, width)
  weights = np.array([0.1, 0.2, 0.3, 0.4])
  expected = _sklearn(features, features[:4], weights, covariance, 1e-4, 1e-5)
  found = em.fit_mixtures(
    features,
    4,
    covariance,
    means_init=features[:4],
    weights_init=weights,
    regularisation=1e-4,
    tolerance=1e-5,
  )
  assert found.converged
  assert len(found.history) == expected.n_iter_ >= 3
  np.testing.assert_allclose(found.history[1:], expected.lower_bounds_[1:], rtol=1e-6)
  np.testing.assert_allclose(found.weights, expected.weights_, rtol=1e-6)
  np.testing.assert_allclose(found.means, expected.means_, rtol=1e-6, atol=1e-6)
  np.testing.assert_allclose(found.covariances, expected.covariances_, rtol=1e-6, atol=1e-6)
  np.testing.assert_allclose(found.log_prob(features), expected.score_samples(features), rtol=1e-6)


@pytest.mark.parametrize("many", [4, 64])  # one share in 64 is a sparse product
def test_moments_of_hard_and_soft_assignments(many):
  generator = np.random.default_rng(0)
  points = generator.normal(size=(200, 7))
  hard = np.eye(many)[generator.integers(many, size=200)]
  for shares in (hard, generator.uniform(size=hard.shape)):
    found = moments.Diagonal().moments(tf.constant(points), tf.constant(shares))
    phi = np.concatenate([np.ones((200, 1)), points, points**2], 1)
    np.testing.assert_allclose(found, shares.T @ phi, rtol=1e-12, atol=1e-12)


def test_fits_at_once_come_in_order():
  def fit(number):
    time.sleep(0.01 * (number % 3))
    return number**2

  assert list(em.fit_each(fit, range(9))) == [number**2 for number in range(9)]


@pytest.mark.parametrize("covariance", ["diag", "full"])
def test_the_last_iteration_is_the_one_asked_for(covariance):
  features = _features(300, 5)
  expected = _sklearn(features, features[:3], np.full(3, 1 / 3), covariance, 1e-4, 1e-9, 4)
  found = em.fit_mixtures(
    features,
    3,
    covariance,
    means_init=features[:3],
    regularisation=1e-4,
    tolerance=1e-9,
    iterations=4,
  )
  assert not found.converged
  assert len(found.history) == 4
  np.testing.assert_allclose(found.means, expected.means_, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("covariance", ["diag", "full"])
def test_float32_features_lose_no_likelihood(covariance):
  features = _features(2000, 70, seed=3).astype(np.float32)
  weights = np.full(16, 1 / 16)
  exact = _sklearn(
    features[:1600].astype(np.float64), features[:16], weights, covariance, 1e-4, 1e-3
  )
  found = em.fit_mixtures(
    features[:1600], 16, covariance, means_init=features[:16], regularisation=1e-4
  )
  assert found.history[-1] == pytest.approx(exact.lower_bound_, abs=1e-2)
  held_out = found.log_prob(features[1600:]).mean()
  assert held_out > exact.score(features[1600:].astype(np.float64)) - 1e-2 * abs(held_out)


def test_blocks_give_what_memory_gives(monkeypatch):
  features = _features(1000, 12).astype(np.float32)
  whole = em.fit_mixtures(features, 5, "low_rank", tolerance=1e-6)
  monkeypatch.setattr(blocks_module, "_BYTES", 1)
  assert len(blocks_module.Blocks(features)) == 4
  parts = em.fit_mixtures([features[:300], features[300:]], 5, "low_rank", tolerance=1e-6)
  np.testing.assert_allclose(parts.log_prob(features), whole.log_prob(features), rtol=1e-4)


def test_features_may_lie_in_a_file_that_is_read_block_by_block(tmp_path, monkeypatch):
  monkeypatch.setattr(blocks_module, "_BYTES", 1)
  features = _features(1000, 8).astype(np.float32)
  features.tofile(tmp_path / "features")
  mapped = np.memmap(tmp_path / "features", np.float32, "r", shape=features.shape)
  longest = 0
  sweep = expectation._Program._visit

  def watched(self, block, *rest):
    nonlocal longest
    longest = max(longest, block.shape[0] or 0)
    return sweep(self, block, *rest)

  monkeypatch.setattr(expectation._Program, "_visit", watched)
  expectation._program.cache_clear()
  found = em.fit_mixtures(mapped, 3, "diag")
  expectation._program.cache_clear()
  assert 0 < longest <= 256
  assert (
    found.log_prob(features).mean() > em.fit_mixtures(features, 1, "diag").log_prob(features).mean()
  )


def test_more_starts_never_end_lower():
  features = _features(400, 6)
  one = em.fit_mixtures(features, 6, "diag", seed=0)
  several = em.fit_mixtures(features, 6, "diag", seed=0, restarts=4)
  assert several.history[-1] >= one.history[-1]
  again = [em.fit_mixtures(features, 6, "diag", seed=seed).history[-1] for seed in range(4)]
  assert several.history[-1] == max(again)


def test_a_component_without_points_and_a_dead_channel_stay_finite():
  features = _features(50, 4)
  features[:, 2] = 0.0
  starts = np.vstack([features[:2], features[:1] + 1e4])
  found = em.fit_mixtures(features, 3, "diag", means_init=starts)
  assert found.weights[2] < 1e-12
  assert np.isfinite(found.log_prob(features)).all()


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
  exact = features.astype(np.float64)
  expected = _sklearn(exact, starts, np.full(4, 0.25), covariance, 1e-6, 1e-3, 60)
  found = em.fit_mixtures(features, 4, covariance, means_init=starts, iterations=60)
  assert found.log_prob(features).mean() == pytest.approx(expected.score(exact), abs=0.05)
  assert found.history[-1] == pytest.approx(expected.score(exact), abs=0.05)


@pytest.mark.parametrize(
  "features,settings,message",
  [
    (np.zeros((4, 3)), {}, "at least 5 images of a class for 5 components"),
    (np.full((9, 3), np.nan), {}, "finite features"),
    (np.zeros(9), {}, "row of C numbers"),
    (np.zeros((9, 3)), {"covariance": "tied"}, "low_rank, diag, full"),
    (np.zeros((9, 3)), {"regularisation": 0.0}, "regularisation > 0"),
    (np.zeros((9, 3)), {"seed": -1}, "a seed from 0"),
    (np.full((9, 3), "one"), {}, "features that are numbers"),
    (np.zeros((9, 3), complex), {}, "features that are numbers"),
  ],
)
def test_what_cannot_be_fitted_says_so(features, settings, message):
  with pytest.raises(InputError, match=message):
    em.fit_mixtures(features, 5, **{"covariance": "diag"} | settings)
