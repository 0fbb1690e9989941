"""Against the real Foolbox."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.attacks import HFCAttack
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import balanced, random_images, train_taps

fb = pytest.importorskip("foolbox")

from hfc_tf.adapters import FoolboxAttack, FoolboxModel, from_foolbox  # noqa: E402

ROOT = Path(__file__).parents[2]
IMAGES = random_images(count=6)
CAFFE = {
  "mean": np.float32([0.4, 0.5, 0.6]),
  "std": np.float32([0.2, 0.3, 0.4]),
  "axis": -1,
  "flip_axis": -1,
}


def foolbox_model(preprocessing=None, bounds=(0, 1)):
  return fb.TensorFlowModel(balanced(), bounds=bounds, preprocessing=preprocessing)


@pytest.mark.parametrize("wrapper", [None, False, True])
@pytest.mark.parametrize("preprocessing", [None, CAFFE])
def test_a_model_predicts_the_same(preprocessing, wrapper):
  model, images = foolbox_model(preprocessing), IMAGES
  if wrapper is not None:
    model, images = model.transform_bounds((0, 255), wrapper=wrapper), 255 * IMAGES
  tapped = from_foolbox(model)
  assert tapped.bounds == tuple(model.bounds)
  expected = model(tf.constant(images)).numpy()
  np.testing.assert_allclose(tapped.taps(images).logits, expected, atol=2e-3)
  np.testing.assert_allclose(FoolboxModel(tapped)(tf.constant(images)), expected, atol=2e-3)


def test_other_models_are_refused():
  for model in (balanced(), fb.TensorFlowModel(lambda images: images, bounds=(0, 1))):
    with pytest.raises(InputError, match=r"fb\.TensorFlowModel of a keras\.Model"):
      from_foolbox(model)


@pytest.mark.parametrize("targeted", [True, False])
def test_one_step_is_that_of_foolbox(targeted):
  model, images = foolbox_model(CAFFE), tf.constant(IMAGES)
  truth = tf.argmax(model(images), 1)
  wish = fb.criteria.TargetedMisclassification(1 - truth) if targeted else truth
  ours = FoolboxAttack("fgsm")(model, images, wish, epsilons=[0.01, 0.03])
  theirs = fb.attacks.LinfFastGradientAttack(random_start=False)
  if targeted:  # which it cannot; one step of its PGD is the same
    theirs = fb.attacks.LinfPGD(rel_stepsize=1.0, steps=1, random_start=False)
  expected = theirs(model, images, wish, epsilons=[0.01, 0.03])
  assert isinstance(FoolboxAttack(), fb.attacks.base.Attack)
  for raw, clipped, other in zip(ours[0], ours[1], expected[1], strict=True):
    np.testing.assert_allclose(raw, clipped, atol=1e-6)
    assert np.mean(np.abs(clipped - other) > 1e-5) < 0.01
  np.testing.assert_array_equal(ours[2], expected[2])


@pytest.mark.parametrize("step_size", [None, 0.005])
def test_epsilons_are_independent_of_their_order(step_size):
  model, images = foolbox_model(), tf.constant(255 * IMAGES)
  model = model.transform_bounds((0, 255))
  settings = {"steps": 4} | ({} if step_size is None else {"step_size": 255 * step_size})
  attack, wish = FoolboxAttack("bim", **settings), tf.argmax(model(images), 1)
  raw, clipped, success = attack(model, images, wish, epsilons=[2.0, 6.0, 2.0])
  np.testing.assert_array_equal(raw[0], raw[2])
  single = FoolboxAttack("bim", **settings)(model, images, wish, epsilons=6.0)
  np.testing.assert_allclose(single[0], raw[1], atol=1e-3)
  assert success.shape == (3, 6) and single[2].shape == (6,)
  reached = np.argmax(model(clipped[1]), 1) != wish.numpy()
  np.testing.assert_array_equal(success[1], reached)
  assert np.abs(clipped[1] - images).max() <= 6 + 1e-4


def test_hidden_attacks_and_a_tapped_model():
  tapped = TappedModel(balanced())
  model, images = FoolboxModel(tapped), tf.constant(IMAGES)
  density = HierarchicalDensity(2).fit(train_taps(tapped))
  targets = 1 - tapped.taps(IMAGES).predictions.astype(np.int64)
  wish = fb.criteria.TargetedMisclassification(tf.constant(targets))
  raw, _, _ = FoolboxAttack("bim", density, steps=5)(model, images, wish, epsilons=0.03)
  expected = HFCAttack(tapped, density, "bim", eps=0.03, steps=5)(IMAGES, targets)
  np.testing.assert_array_equal(raw, expected)
  _, _, success = fb.attacks.LinfPGD()(model, images, wish, epsilons=0.5)
  assert success.numpy().any()
  with pytest.raises(InputError, match="targeted"):
    FoolboxAttack("bim", density)(model, images, tf.constant(1 - targets), epsilons=0.03)


def test_repeating_is_restarting():
  model, images = foolbox_model(), tf.constant(IMAGES)
  wish = tf.argmax(model(images), 1)
  raw, _, _ = FoolboxAttack("pgd", steps=2).repeat(3)(model, images, wish, epsilons=0.01)
  restarted = FoolboxAttack("pgd", steps=2, restarts=3)
  np.testing.assert_array_equal(raw, restarted(model, images, wish, epsilons=0.01)[0])
  assert "restarts=6" in repr(restarted.repeat(2))


def test_what_has_no_epsilon_is_refused():
  with pytest.raises(InputError, match="L2DeepFoolAttack"):
    FoolboxAttack("deepfool")
  both = fb.criteria.Misclassification(tf.zeros(6, tf.int64))
  with pytest.raises(InputError, match="TargetedMisclassification"):
    FoolboxAttack()(foolbox_model(), tf.constant(IMAGES), both & both, epsilons=0.1)


@pytest.mark.slow
def test_the_example_is_short_and_runs(capsys):
  script = ROOT / "examples" / "foolbox_attack.py"
  lines = [line for line in script.read_text().splitlines()[1:] if line]
  assert len(lines) <= 15
  runpy.run_path(str(script))
  assert "success by epsilon: [" in capsys.readouterr().out
