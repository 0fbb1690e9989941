"""DeepFool and Carlini and Wagner's L2 attack beside Foolbox."""

import numpy as np
import pytest

from hfc_tf.attacks import CWL2, DeepFool
from tests.parity.twins import from_torch, keras_twin, lengths, subjects, to_torch, torch_twin

torch = pytest.importorskip("torch")
foolbox = pytest.importorskip("foolbox")
pytestmark = pytest.mark.parity


def _theirs(attack, images, criterion):
  """Where Foolbox succeeds [N], and its perturbations' lengths [N]."""
  model = foolbox.PyTorchModel(torch_twin(), bounds=(0, 1))
  made, _, success = attack(model, to_torch(images), criterion, epsilons=None)
  return success.numpy(), lengths(from_torch(made), images)


def test_deepfool():
  images, labels = subjects()
  made = DeepFool(keras_twin()[1], targeted=False)(images, labels)
  assert (keras_twin()[1].taps(made).predictions != labels).all()
  success, theirs = _theirs(foolbox.attacks.L2DeepFoolAttack(), images, to_torch(labels))
  assert success.all()
  ours = lengths(made, images)
  assert np.median(ours) <= 1.05 * np.median(theirs)
  np.testing.assert_allclose(ours, theirs, rtol=0.02)


@pytest.mark.parametrize("targeted", [False, True])
def test_carlini_and_wagner(targeted):
  images, labels = subjects()
  classes = (labels + 1) % 4 if targeted else labels
  settings = {"steps": 150, "kappa": 0.5, "searches": 6, "first": 0.01, "targeted": targeted}
  made = CWL2(keras_twin()[1], **settings)(images, classes)
  our_success = (keras_twin()[1].taps(made).predictions == classes) == targeted
  kinds = foolbox.criteria
  kind = kinds.TargetedMisclassification if targeted else kinds.Misclassification
  peer = foolbox.attacks.L2CarliniWagnerAttack(
    binary_search_steps=6, steps=150, stepsize=0.01, confidence=0.5, initial_const=0.01,
    abort_early=False,
  )  # fmt: skip
  success, theirs = _theirs(peer, images, kind(to_torch(classes)))
  assert success.sum() >= 8
  assert our_success[success].all()
  ours, theirs = lengths(made, images)[success], theirs[success]
  assert np.median(ours) <= 1.05 * np.median(theirs)
  np.testing.assert_allclose(ours, theirs, rtol=0.1)
