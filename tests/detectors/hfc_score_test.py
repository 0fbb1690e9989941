import dataclasses

import numpy as np
import pytest

from hfc_tf.densities import HierarchicalDensity
from hfc_tf.detectors.hfc_score import HFCScore
from hfc_tf.errors import InputError


def test_equals_the_density(world):
  detector = HFCScore(components=4).fit(world.train, **world.adv_train)
  density = HierarchicalDensity(4, seed=0).fit(world.train)
  for taps in (world.test_clean, world.test_adversarial):
    expected = density.log_prob(taps.features, taps.predictions)
    layers = detector.layer_scores(taps)
    for name, values in expected.items():
      # The density of features in units of their spread on Train.
      volume = np.log(world.train.features[name].std(axis=0)).sum()
      wanted = -(values + volume) / taps.features[name].shape[1]
      np.testing.assert_allclose(layers[name], wanted, rtol=1e-3, atol=1e-3)
    total = np.sum(list(layers.values()), axis=0)
    np.testing.assert_allclose(detector.score(taps), total, rtol=1e-5, atol=1e-5)


def test_takes_a_density_that_is_there(world):
  density = HierarchicalDensity(4, seed=0).fit(world.train)
  given = HFCScore(density=density).fit(world.train, **world.adv_train)
  detector = HFCScore(components=4).fit(world.train, **world.adv_train)
  np.testing.assert_array_equal(given.score(world.test_clean), detector.score(world.test_clean))
  other = dataclasses.replace(world.train, features={"last": world.train.features["last"]})
  narrow = HierarchicalDensity(4).fit(other)
  with pytest.raises(InputError, match="found one of last"):
    HFCScore(density=narrow).fit(world.train, **world.adv_train)
  thin = {name: values[:, 1:] for name, values in world.train.features.items()}
  other = HierarchicalDensity(2).fit(dataclasses.replace(world.train, features=thin))
  with pytest.raises(InputError, match=r"widths \[5, 9, 15\]"):
    HFCScore(density=other).fit(world.train, **world.adv_train)


def test_knows_no_attack(world, new_world):
  detector = HFCScore(components=2).fit(world.train, **world.adv_train)
  other = new_world(0, shift=-2.0).adversarial
  again = HFCScore(components=2).fit(world.train, clean=world.clean, adversarial=other)
  np.testing.assert_array_equal(again.score(world.test_clean), detector.score(world.test_clean))
  assert again.threshold_ == detector.threshold_
