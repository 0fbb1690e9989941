import numpy as np
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf

from hfc_tf.detectors.multivariate_gaussian import MultivariateGaussian


def test_equals_scipy(world):
  detector = MultivariateGaussian().fit(world.train, **world.adv_train)
  values, labels = world.train.features["last"].astype(float), world.train.labels
  means = np.stack([values[labels == c].mean(axis=0) for c in (0, 1)])
  scale = (values - means[labels]).std(axis=0)  # shrunk in these units, whatever those of channels
  for taps in (world.test_clean, world.test_adversarial):
    scores = detector.score(taps)
    for c in (0, 1):
      train = values[labels == c] / scale
      density = multivariate_normal(train.mean(axis=0), LedoitWolf().fit(train).covariance_)
      rows = taps.predictions == c
      expected = -density.logpdf(taps.features["last"][rows] / scale)
      np.testing.assert_allclose(scores[rows], expected, rtol=1e-4, atol=1e-3)


def test_knows_no_attack(world, new_world):
  detector = MultivariateGaussian().fit(world.train, **world.adv_train)
  other = new_world(0, shift=-2.0).adversarial
  again = MultivariateGaussian().fit(world.train, clean=world.clean, adversarial=other)
  np.testing.assert_array_equal(again.score(world.test_clean), detector.score(world.test_clean))
  assert again.threshold_ == detector.threshold_
