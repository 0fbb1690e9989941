"""APGD beside AutoAttack's."""

import numpy as np
import pytest

from hfc_tf.attacks import APGD
from tests.parity.twins import keras_twin, subjects, to_torch, torch_twin

pytest.importorskip("torch")
pytestmark = pytest.mark.parity


@pytest.mark.parametrize("eps", [8 / 256, 32 / 256])
@pytest.mark.parametrize("steps", [100, 50])
def test_the_loss_is_autoattacks(eps, steps):
  peers = pytest.importorskip("pyautoattack.autopgd_base")
  images, labels = subjects()
  model = keras_twin()[1]
  made = APGD(model, eps=eps, steps=steps, targeted=False, random_start=False)(images, labels)
  logits = model.taps(made).logits
  ours = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(labels)), labels]
  peer = peers.APGDAttack(torch_twin(), n_iter=steps, eps=eps, device="cpu")
  inputs = to_torch(images)
  peer.init_hyperparam(inputs)
  _, _, theirs, _ = peer.attack_single_run(inputs, to_torch(labels), x_init=inputs)
  theirs = theirs.numpy()
  clean = model.taps(images).logits
  before = np.log(np.exp(clean).sum(1)) - clean[np.arange(len(labels)), labels]
  assert theirs.mean() > 1.05 * before.mean()
  np.testing.assert_allclose(ours.mean(), theirs.mean(), rtol=0.01)
  np.testing.assert_allclose(ours, theirs, rtol=0.05)
