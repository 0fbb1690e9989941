import numpy as np
import pytest

from benchmarks.peers import em
from hfc_tf.densities import GaussianMixture


def drawn(count=240, width=5):
  rng = np.random.default_rng(0)
  return rng.normal(size=(count, width)) + 2 * rng.integers(0, 3, (count, 1))


@pytest.mark.parametrize("covariance", ["diag", "full"])
def test_both_take_the_same_steps(covariance):
  features = drawn()
  own = em.fit_own(features, features[:3], covariance)
  other = em.fit_sklearn(features, features[:3], covariance)
  assert own.iterations == other.iterations > 2
  np.testing.assert_allclose(own.log_prob(features), other.log_prob(features), rtol=1e-6)


def test_every_fifth_image_is_held_out_and_wide_taps_are_not_fitted_in_full(tmp_path):
  path = tmp_path / "features.npz"
  np.savez(path, narrow=drawn(100), wide=drawn(100, 257))
  job = {"features": path, "components": 2, "fit": "sklearn"}
  mixtures = em.Mixtures(job | {"covariance": "full"})
  ((train, held_out, starts),) = mixtures._taps
  assert (len(train), len(held_out), starts.shape) == (80, 20, (2, 5))
  assert not (train[:, None] == held_out).all(2).any()
  assert len(em.Mixtures(job | {"covariance": "diag"})._taps) == 2
  found = mixtures.run(1)
  fitted = em.fit_sklearn(train, starts, "full")
  assert found["iterations"] == fitted.iterations and found["seconds"] > 0
  assert found["log_likelihood"] == pytest.approx(fitted.log_prob(held_out).mean())
  assert found["log_likelihood_narrow"] == found["log_likelihood"]


def test_densities_are_those_of_every_class(tmp_path):
  features = {"0/narrow": drawn(100), "1/narrow": 1 + drawn(100), "0/wide": drawn(100, 257)}
  np.savez(tmp_path / "features.npz", **features)
  job = {"class_features": tmp_path / "features.npz", "components": 2, "fit": "density"}
  found = em.Mixtures(job | {"covariance": "low_rank"}).run(1)
  each = {}
  for name, values in features.items():
    held_out = np.arange(100) % 5 == 0
    each[name] = GaussianMixture.fit(values[~held_out], 2).log_prob(values[held_out]).mean()
  assert found["log_likelihood"] == pytest.approx(sum(each.values()))
  assert found["log_likelihood_narrow"] == pytest.approx(each["0/narrow"] + each["1/narrow"])
