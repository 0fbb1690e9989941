import numpy as np
import pytest
from sklearn.mixture import GaussianMixture as ScikitLearn

from benchmarks.peers import em
from hfc_tf.densities import GaussianMixture


def drawn(count=240, width=5):
  rng = np.random.default_rng(0)
  return rng.normal(size=(count, width)) + 2 * rng.integers(0, 3, (count, 1))


def test_every_fifth_image_is_held_out_and_wide_taps_are_not_fitted_in_full(tmp_path):
  path = tmp_path / "features.npz"
  np.savez(path, narrow=drawn(100), wide=drawn(100, 257))
  job = {"class_features": path, "components": 2}
  mixtures = em.Mixtures(job | {"covariance": "full"})
  ((train, held_out),) = mixtures._taps
  assert (len(train), len(held_out)) == (80, 20)
  assert not (train[:, None] == held_out).all(2).any()
  assert len(em.Mixtures(job | {"covariance": "diag"})._taps) == 2
  result = mixtures.run(1)
  fitted = ScikitLearn(2, init_params="k-means++", random_state=0).fit(train)
  assert result["iterations"] == fitted.n_iter_ and result["seconds"] > 0
  assert result["log_likelihood"] == pytest.approx(fitted.score(held_out))
  assert result["log_likelihood_narrow"] == result["log_likelihood"]


def test_densities_are_those_of_every_class(tmp_path):
  features = {"0/narrow": drawn(100), "1/narrow": 1 + drawn(100), "0/wide": drawn(100, 257)}
  np.savez(tmp_path / "features.npz", **features)
  job = {"class_features": tmp_path / "features.npz", "components": 2}
  result = em.Mixtures(job | {"covariance": "low_rank"}).run(1)
  each = {}
  for name, values in features.items():
    held_out = np.arange(100) % 5 == 0
    each[name] = GaussianMixture.fit(values[~held_out], 2).log_prob(values[held_out]).mean()
  assert result["log_likelihood"] == pytest.approx(sum(each.values()))
  assert result["log_likelihood_narrow"] == pytest.approx(each["0/narrow"] + each["1/narrow"])
  assert 0 < result["seconds_narrow"] < result["seconds"]
