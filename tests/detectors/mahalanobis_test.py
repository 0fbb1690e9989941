import dataclasses

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from hfc_tf.detectors.gaussians import spread, whitening
from hfc_tf.detectors.mahalanobis import Mahalanobis


@pytest.mark.parametrize("mean", ["class", "single"])
def test_equals_scipy(world, mean):
  detector = Mahalanobis(mean=mean).fit(world.train, **world.adv_train)
  scores = detector.score(world.test_adversarial, per_layer=True)
  for name, values in world.train.features.items():
    labels = world.train.labels if mean == "class" else np.zeros(len(values), int)
    means = [values[labels == c].mean(axis=0, dtype=float) for c in np.unique(labels)]
    residuals = values - np.stack(means)[labels]
    scale = residuals.std(axis=0)  # shrunk in these units, whatever those of the channels
    covariance = LedoitWolf(assume_centered=True).fit(residuals / scale).covariance_
    precision = np.linalg.inv(covariance * np.outer(scale, scale))
    queries = world.test_adversarial.features[name].astype(float)
    expected = [min(mahalanobis(q, m, precision) ** 2 for m in means) for q in queries]
    np.testing.assert_allclose(scores[name], expected, rtol=1e-4)


@pytest.mark.parametrize(("rows", "channels"), [(500, 12), (60, 300)])
def test_whitening_equals_scikit_learn(rows, channels):
  rng = np.random.default_rng(0)
  values = rng.normal(size=[rows, channels]) * np.geomspace(1, 20, channels)
  values -= values.mean(axis=0)
  matrix = whitening(values)
  expected = np.linalg.inv(LedoitWolf(assume_centered=True).fit(values).covariance_)
  np.testing.assert_allclose(matrix @ matrix.T, expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_wide_layers_dead_and_doubled_channels_are_well_posed(world):
  rng = np.random.default_rng(0)
  mixing = rng.normal(size=[16, 600])

  def widen(taps):
    wide = np.maximum(taps.features["last"] @ mixing, 0).astype(np.float32)
    wide[:, :50], wide[:, 50:100] = 0, wide[:, 100:150]
    return dataclasses.replace(taps, features={**taps.features, "early": wide})

  adv_train = {name: widen(taps) for name, taps in world.adv_train.items()}
  detector = Mahalanobis().fit(widen(world.train), **adv_train)
  distances = detector.score(widen(world.test_clean), per_layer=True)["early"]
  assert np.isfinite(distances).all() and (distances > 0).all()


def test_constant_layer_is_well_posed():
  assert np.isfinite(whitening(np.zeros([20, 3]))).all()
  assert (spread(np.zeros([20, 3])) > 0).all()


def test_spread_is_a_deviation_and_infinite_where_nothing_moves():
  rng = np.random.default_rng(0)
  values = rng.normal(size=[200, 4]) * [1e-6, 1, 1e6, 1]
  values[:, 3] = 3.0 + 1e-8 * values[:, 3]  # rounding
  np.testing.assert_allclose(spread(values), [*values[:, :3].std(axis=0), np.inf])
  labels = np.arange(200) % 2
  values[:, 1] = labels  # a channel that is the class
  residuals = values - np.stack([values[labels == c].mean(axis=0) for c in (0, 1)])[labels]
  spreads = spread(values, residuals)
  np.testing.assert_allclose(spreads[[0, 2]], residuals[:, [0, 2]].std(axis=0))
  assert spreads[1] == pytest.approx(1e-3 * 0.5) and spreads[3] == np.inf


def test_one_function_scores_clean_and_adversarial_images(world):
  detector = Mahalanobis().fit(world.train, **world.adv_train)
  both = type(world.clean).concatenate([world.test_clean, world.test_adversarial])
  apart = [detector.score(world.test_clean), detector.score(world.test_adversarial)]
  np.testing.assert_allclose(detector.score(both), np.concatenate(apart), rtol=1e-5, atol=1e-5)


def test_only_the_layers_asked_for(world):
  detector = Mahalanobis(layers=["middle"]).fit(world.train, **world.adv_train)
  assert list(detector.score(world.test_clean, per_layer=True)) == ["middle"]
