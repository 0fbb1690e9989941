import numpy as np
import pytest

from hfc_tf.detectors.lid import LocalIntrinsicDimensionality
from hfc_tf.errors import InputError


@pytest.fixture(scope="module")
def detector(world):
  return LocalIntrinsicDimensionality(k=20).fit(world.train, **world.adv_train)


def reference(detector, name):
  return detector.reference_[name].astype(float) * detector.scale_[name] + detector.center_[name]


def plain(query, known, k):
  distances = np.sort(np.linalg.norm(known - query, axis=1))[:k]
  return -1 / np.mean(np.log(distances / distances[-1]))


def test_equals_plain_numpy(detector, world):
  taps = world.test_clean[:20]
  scores = detector.score(taps, per_layer=True)
  for name in world.train.features:
    scale = world.train.features[name].std(axis=0)
    known = reference(detector, name) / scale
    assert len(known) == 100
    expected = [plain(query, known, 20) for query in taps.features[name] / scale]
    np.testing.assert_allclose(scores[name], expected, rtol=1e-4)


def test_reference_is_a_fixed_stratified_sample_of_train(detector, world):
  for name, values in world.train.features.items():
    known = reference(detector, name)
    gaps = np.abs(known[:, None] - values[None]).max(axis=2)  # [R, T]
    np.testing.assert_allclose(gaps.min(axis=1), 0, atol=1e-5)
    assert len(np.unique(gaps.argmin(axis=1))) == 100
    share = world.train.labels[gaps.argmin(axis=1)].mean()
    assert share == pytest.approx(world.train.labels.mean(), abs=0.01)
  # The layers share the images.
  again = LocalIntrinsicDimensionality(k=20).fit(world.train, **world.adv_train)
  for name in detector.reference_:
    np.testing.assert_array_equal(again.reference_[name], detector.reference_[name])


def test_twenty_neighbours_whatever_the_batch(detector, world):
  ten = detector.score(world.test_clean[:10], per_layer=True)
  everything = detector.score(world.test_clean, per_layer=True)
  assert detector.k_ == 20
  for name, values in ten.items():
    np.testing.assert_allclose(values, everything[name][:10], rtol=1e-4)


def test_nearest_neighbour_counts(detector, world):
  # A query right beside a reference image has a small LID; dropping that neighbour would hide it.
  known = reference(detector, "last")
  beside = np.tile(known[:1] + 1e-2, [2, 1])
  features = {n: v[:2].copy() for n, v in world.test_clean.features.items()} | {
    "last": beside.astype(np.float32)
  }
  taps = world.test_clean[:2]
  scores = detector.score(type(taps)(features, taps.logits, taps.labels, "last"), per_layer=True)
  known, query = known / detector.scale_["last"], beside[0] / detector.scale_["last"]
  dropped = plain(query, np.delete(known, 0, axis=0), 20)
  assert scores["last"][0] == pytest.approx(plain(query, known, 20), rel=1e-3)
  assert scores["last"][0] < 0.97 * dropped


def test_zero_distances_are_finite(world):
  twins = world.train[60 + np.arange(200) % 20]  # 13 and 7 of the classes, ten times each
  detector = LocalIntrinsicDimensionality(k=5, reference_size=60)
  detector.fit(twins, **world.adv_train)
  for values in detector.score(twins, per_layer=True).values():
    assert np.isfinite(values).all() and (values > 0).all() and (values <= 1000.001).all()


def test_k_is_chosen_by_cross_validation(world):
  detector = LocalIntrinsicDimensionality(k=(20, 10, 5)).fit(world.train, **world.adv_train)
  assert detector.k_ in (20, 10, 5)
  scores = detector.score(world.test_clean, per_layer=True)["last"]
  scale = detector.scale_["last"]
  query = world.test_clean.features["last"][0] / scale
  expected = plain(query, reference(detector, "last") / scale, detector.k_)
  assert scores[0] == pytest.approx(expected, rel=1e-4)


def test_refuses_more_neighbours_than_references(world):
  with pytest.raises(InputError, match="lower reference_size"):
    LocalIntrinsicDimensionality(k=20, reference_size=10).fit(world.train, **world.adv_train)
  with pytest.raises(InputError, match="240 Train images"):
    LocalIntrinsicDimensionality(reference_size=500).fit(world.train, **world.adv_train)
