"""Attacks on classifier and detector at once."""

import numpy as np
import pytest

from hfc_tf.attacks import BIM, PGD, OrthogonalPGD, SelectivePGD
from hfc_tf.attacks.objectives import DetectorScore
from hfc_tf.detectors import KernelDensity, Mahalanobis
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


def test_detectors_that_cannot_be_followed_are_refused(world):
  with pytest.raises(InputError, match="a fitted detector"):
    DetectorScore(KernelDensity())
