import numpy as np
import pytest
import tensorflow as tf

import hfc_tf
from hfc_tf.errors import InputError
from tests.networks import tiny

fb = pytest.importorskip("foolbox", reason="Foolbox is not installed")
from hfc_tf.adapters import foolbox as adapter  # noqa: E402

IMAGES = np.random.default_rng(0).uniform(0, 1, (12, 8, 8, 3)).astype(np.float32)
NETWORK = tiny()
MODEL = hfc_tf.TappedModel(NETWORK)
THEIRS = fb.TensorFlowModel(NETWORK, bounds=(0, 1))
TARGETS = fb.criteria.TargetedMisclassification(tf.constant(np.arange(12) % 2))


def test_several_epsilons_are_the_attack_at_each():
  attack = adapter.Attack(hfc_tf.BIM(MODEL, eps=4 / 256, steps=5))
  budgets = [4 / 256, 32 / 256]
  raw, clipped, success = attack(THEIRS, tf.constant(IMAGES), TARGETS, epsilons=budgets)
  assert success.shape == (2, 12) and isinstance(clipped[0], tf.Tensor)
  for eps, moved, each in zip(budgets, clipped, success, strict=True):
    own = hfc_tf.BIM(MODEL, eps=eps, steps=5)(IMAGES, np.arange(12) % 2)
    # A step of another rounding turns some gradients' signs near zero.
    assert np.mean(abs(moved.numpy() - own) < 1e-6) > 0.8
    assert abs(moved.numpy() - IMAGES).max() <= eps + 1e-6
    reached = THEIRS(moved).numpy().argmax(1) == np.arange(12) % 2
    np.testing.assert_array_equal(each, reached)
  np.testing.assert_allclose(raw[0], clipped[0], atol=1e-6)
  assert attack.attack.eps == 4 / 256  # as it was


def test_untargeted_by_labels():
  attack = adapter.Attack(hfc_tf.BIM(MODEL, eps=0.3, steps=9, targeted=False))
  labels = tf.constant(MODEL.taps(IMAGES).predictions, tf.int64)
  _, clipped, success = attack(THEIRS, tf.constant(IMAGES), labels, epsilons=0.3)
  assert success.shape == (12,)
  leads = [THEIRS(x).numpy()[np.arange(12), labels] for x in (tf.constant(IMAGES), clipped)]
  assert (leads[1] < leads[0]).all()


def test_other_criteria_bounds_and_models_are_refused():
  attack = adapter.Attack(hfc_tf.BIM(MODEL, eps=4 / 256, steps=2))
  images = tf.constant(IMAGES)
  with pytest.raises(InputError, match="targeted=False"):
    attack(THEIRS, images, tf.constant(np.arange(12) % 2), epsilons=0.1)
  with pytest.raises(InputError, match="bounds"):
    attack(fb.TensorFlowModel(NETWORK, bounds=(0, 255)), images, TARGETS, epsilons=0.1)
  opposite = tiny()
  kernel, bias = opposite.layers[-1].get_weights()
  opposite.layers[-1].set_weights([-kernel, -bias])
  with pytest.raises(InputError, match="other predictions"):
    attack(fb.TensorFlowModel(opposite, bounds=(0, 1)), images, TARGETS, epsilons=0.1)
  with pytest.raises(InputError, match="L-infinity ball"):
    adapter.Attack(hfc_tf.CWL2(MODEL))
