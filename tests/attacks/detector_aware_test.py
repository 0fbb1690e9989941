"""Attacks on classifier and detector at once."""

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.attacks import BIM, PGD, OrthogonalPGD, SelectivePGD
from hfc_tf.attacks.objectives import DetectorScore
from hfc_tf.detectors import DETECTORS, KernelDensity, Mahalanobis
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import balanced, random_images, train_taps

SETTINGS = {"eps": 0.2, "steps": 30}


@pytest.fixture(scope="module")
def world():
  model = TappedModel(balanced())
  images = random_images(count=60)
  targets = 1 - model.taps(images).predictions
  rows = np.arange(60)
  adversarials = model.taps(BIM(model, **SETTINGS)(images, targets), groups=rows)
  fooled = adversarials.predictions == targets
  assert fooled.mean() > 0.8
  detector = Mahalanobis()
  clean = model.taps(images, groups=rows)
  detector.fit(train_taps(model), clean=clean, adversarial=adversarials[fooled])
  return model, detector, random_images(count=12, seed=5)


@pytest.mark.parametrize("kind", [OrthogonalPGD, SelectivePGD])
def test_the_detector_is_evaded_as_well(world, kind):
  model, detector, images = world
  targets = 1 - model.taps(images).predictions
  plain = model.taps(PGD(model, **SETTINGS)(images, targets))
  aware = model.taps(kind(model, detector, **SETTINGS)(images, targets))
  assert (aware.predictions == targets).mean() >= (plain.predictions == targets).mean() > 0.8
  both = (aware.predictions == targets) & (plain.predictions == targets)
  assert np.median(detector.score(aware)[both]) < np.median(detector.score(plain)[both])


IMAGES = {"squeezing": {}, "maha_step": {"magnitudes": (0.001,), "layers": None}, "knn": {"k": 5}}


@pytest.mark.parametrize("key", IMAGES)
def test_detectors_of_images_and_neighbours_are_followed_too(key):
  model = TappedModel(balanced())
  images, rows = random_images(count=60), np.arange(60)
  labels = model.taps(images).predictions
  targets = 1 - labels
  adversarials = BIM(model, **SETTINGS)(images, targets)
  sides = {"clean": images, "adversarial": adversarials}
  taps = {name: model.taps(each, groups=rows) for name, each in sides.items()}
  detector = DETECTORS[key](**IMAGES[key])
  detector.fit(train_taps(model, 100), **taps, model=model, images=sides)
  others = random_images(count=24, seed=5)
  score = DetectorScore(detector, model=model)
  followed = BIM(model, score, eps=0.1, steps=20)(others, 0)
  before, after = (detector.score_images(model, each) for each in (others, followed))
  assert after.mean() < 0.9 * before.mean() and (after <= before + 1e-6).mean() > 0.7
  if key == "knn":  # the value is the score's, the gradient another's
    features = {name: tf.Variable(values) for name, values in taps["clean"].features.items()}
    with tf.GradientTape() as tape:
      score = detector.attacked_tensor(features, taps["clean"].logits)
    np.testing.assert_allclose(score, detector.score(taps["clean"]), atol=1e-6)
    gradients = tape.gradient(score, [features[name] for name in detector.layers_])
    assert max(float(tf.reduce_max(tf.abs(g))) for g in gradients) > 0


def test_detectors_that_cannot_be_followed_are_refused(world):
  with pytest.raises(InputError, match="a fitted detector"):
    DetectorScore(KernelDensity())
  squeezing = DETECTORS["squeezing"]()
  squeezing.threshold_ = 0.0
  with pytest.raises(InputError, match="the classifier of a detector that reads images"):
    DetectorScore(squeezing)
