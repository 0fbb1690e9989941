"""The unit of a channel plays no part in any score."""

import dataclasses

import numpy as np
import pytest

from hfc_tf.densities import HierarchicalDensity, ShrunkGaussian
from hfc_tf.detectors import DETECTORS
from hfc_tf.detectors.mahalanobis_step import SteppedMahalanobis

KEYS = [key for key, kind in DETECTORS.items() if kind.reads != "images"]


def in_other_units(world, seed=0, live=slice(None)):
  """The same world, its channels measured in units a thousandth to a thousand times as large."""
  rng = np.random.default_rng(seed)
  factors = {
    name: 10 ** rng.uniform(-3, 3, values.shape[1]) for name, values in world.train.features.items()
  }

  def change(taps):
    features = {
      name: (values * factors[name]).astype(np.float32) for name, values in taps.features.items()
    }
    kernel, bias = taps.head
    head = ((kernel / factors[taps.penultimate][:, None]).astype(np.float32), bias)
    return dataclasses.replace(taps, features=features, head=head)

  fields = dataclasses.fields(world)
  return dataclasses.replace(world, **{f.name: change(getattr(world, f.name)) for f in fields})


def with_dead_channels(world):
  """Two channels of each layer that are 0 on Train, one of which stirs later, and one that is 3."""

  def change(taps):
    stirs = np.zeros if taps is world.train else np.ones
    more = [np.zeros([len(taps), 1]), stirs([len(taps), 1]), np.full([len(taps), 1], 3.0)]
    features = {
      name: np.concatenate([values, *more], axis=1).astype(np.float32)
      for name, values in taps.features.items()
    }
    kernel, bias = taps.head
    head = (np.concatenate([kernel, np.zeros([3, kernel.shape[1]], np.float32)]), bias)
    return dataclasses.replace(taps, features=features, head=head)

  fields = dataclasses.fields(world)
  return dataclasses.replace(world, **{f.name: change(getattr(world, f.name)) for f in fields})


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("dead", [False, True])
def test_scores_and_threshold_stay_the_same(world, key, dead):
  world = with_dead_channels(world) if dead else world
  other = in_other_units(world)
  settings = {"components": 4} if key == "hfc_score" else {}
  here = DETECTORS[key](**settings).fit(world.train, **world.adv_train)
  there = DETECTORS[key](**settings).fit(other.train, **other.adv_train)
  for taps, same in (
    (world.test_clean, other.test_clean),
    (world.test_adversarial, other.test_adversarial),
  ):
    expected = here.score(taps)
    size = np.abs(expected).max()
    np.testing.assert_allclose(there.score(same), expected, rtol=1e-3, atol=1e-3 * size)
  assert there.threshold_ == pytest.approx(here.threshold_, rel=1e-3, abs=1e-3)


def test_distances_of_the_step_stay_the_same(pictures):
  # The model's own channels have one unit; what its detector learns of Train is looked at.
  detector = SteppedMahalanobis([0.0]).fit(pictures.train, **pictures.arguments)
  rng = np.random.default_rng(0)
  for name in detector.layers_:
    values = pictures.train.features[name]
    factors = 10 ** rng.uniform(-3, 3, values.shape[1])
    other = SteppedMahalanobis(layers=[name])
    other.layers_ = [name]
    other._learn_normal(
      dataclasses.replace(pictures.train, features={name: (values * factors).astype(np.float32)})
    )
    distances = other._distance(name, (values * factors).astype(np.float32))
    np.testing.assert_allclose(distances, detector._distance(name, values), rtol=1e-3, atol=1e-3)


def test_a_density_changes_by_the_volume_of_the_units(world):
  other = in_other_units(world)
  here, there = (HierarchicalDensity(3).fit(each.train) for each in (world, other))
  taps, same = world.test_adversarial, other.test_adversarial
  before = here.log_prob(taps.features, taps.predictions)
  after = there.log_prob(same.features, same.predictions)
  for name, values in before.items():
    difference = after[name] - values
    factors = same.features[name][0].astype(float) / taps.features[name][0]
    np.testing.assert_allclose(difference, -np.log(factors).sum(), rtol=1e-3)


def test_a_channel_silent_in_one_class_is_measured_by_the_others(world):
  features = {name: values.copy() for name, values in world.train.features.items()}
  features["last"][world.train.labels == 1, 0] = 0.0
  train = dataclasses.replace(world.train, features=features)
  density = HierarchicalDensity(2).fit(train)
  scale = density.mixtures_["last"][1].base.scale[0]
  assert scale == pytest.approx(1e-3 * features["last"][:, 0].std(), rel=1e-5)
  assert ShrunkGaussian.fit(features["last"][world.train.labels == 1]).scale[0] == 1e6
