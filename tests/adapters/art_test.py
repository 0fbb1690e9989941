"""Against the real Adversarial Robustness Toolbox."""

import runpy
from pathlib import Path

import keras
import numpy as np
import pytest

from hfc_tf.attacks import BIM, FGSM, PGD, HFCAttack
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.detectors import FeatureSqueezing, Mahalanobis
from hfc_tf.errors import InputError
from tests.attacks.worlds import balanced, random_images

pytest.importorskip("art")
from art.attacks.attack import EvasionAttack
from art.attacks.evasion import FastGradientMethod
from art.defences.detector.evasion import EvasionDetector
from art.defences.postprocessor import ReverseSigmoid
from art.defences.preprocessor import FeatureSqueezing as Bits
from art.estimators.classification import KerasClassifier, TensorFlowV2Classifier

from hfc_tf.adapters import ArtAttack, ArtDetector, from_art

ROOT = Path(__file__).parents[2]
BY_CHANNEL = (np.arange(3.0), np.arange(1, 4.0) * 99)
BYTES = 255 * random_images(count=6)


def classifier(network=None, first=False, clip=(0, 255), scale=(20.0, 240.0), **settings):
  network = balanced() if network is None else network
  shape = (3, 8, 8) if first else (8, 8, 3)
  loss = keras.losses.CategoricalCrossentropy(from_logits=True)
  return TensorFlowV2Classifier(
    network, 2, shape, loss, channels_first=first, clip_values=clip, preprocessing=scale, **settings
  )


def channels_first():
  images = keras.Input((3, 8, 8))
  return keras.Model(images, balanced()(keras.layers.Permute((2, 3, 1))(images)))


@pytest.mark.parametrize("scale", [None, (0.0, 1.0), (20.0, 240.0), BY_CHANNEL])
def test_a_classifier_predicts_the_same_after_its_preprocessing(scale):
  art = classifier(scale=scale)
  assert from_art(art).bounds == (0, 255)
  np.testing.assert_allclose(from_art(art).taps(BYTES).logits, art.predict(BYTES), atol=1e-3)


def test_channels_first():
  first = classifier(channels_first(), True, scale=BY_CHANNEL)
  last = classifier(scale=BY_CHANNEL)
  moved = np.moveaxis(BYTES, -1, 1)
  np.testing.assert_allclose(first.predict(moved), last.predict(BYTES), atol=1e-3)
  model = from_art(first)
  np.testing.assert_allclose(model.taps(BYTES).logits, first.predict(moved), atol=1e-3)
  targets = 1 - first.predict(moved).argmax(1)
  made = ArtAttack(first, BIM(model, eps=8, steps=4)).generate(moved, targets)
  there = ArtAttack(last, BIM(from_art(last), eps=8, steps=4)).generate(BYTES, targets)
  assert made.shape == moved.shape
  assert np.mean(np.abs(np.moveaxis(made, 1, -1) - there) > 1e-2) < 0.01


@pytest.mark.parametrize("units", [1, 2])
def test_a_keras_classifier(units):
  last = keras.layers.Softmax() if units == 2 else keras.layers.Dense(1, activation="sigmoid")
  network = keras.Sequential([balanced(), last])
  network.compile(loss="categorical_crossentropy")
  art = KerasClassifier(network, clip_values=(0, 255), preprocessing=(0.0, 255.0))
  probabilities, logits = art.predict(BYTES), from_art(art).taps(BYTES).logits
  expected = probabilities.argmax(1) if units == 2 else probabilities[:, 0] > 0.5
  np.testing.assert_array_equal(logits.argmax(1), expected)


@pytest.mark.parametrize(
  ("settings", "problem"),
  [
    ({"clip": None}, "clip_values"),
    ({"clip": (0, np.arange(1, 193.0).reshape(8, 8, 3))}, "one pair of clip_values"),
    ({"preprocessing_defences": Bits((0, 255), bit_depth=2)}, "FeatureSqueezing"),
    ({"postprocessing_defences": ReverseSigmoid()}, "without postprocessing"),
  ],
)
def test_what_cannot_be_taken_over_is_refused(settings, problem):
  if settings.get("clip") is not None:
    settings = {"clip": (np.zeros((8, 8, 3)), settings["clip"][1])}
  with pytest.raises(InputError, match=problem):
    from_art(classifier(**settings))
  with pytest.raises(InputError, match="TensorFlowV2Classifier or KerasClassifier"):
    from_art(balanced())


@pytest.mark.parametrize("targeted", [True, False])
def test_one_step_is_that_of_art(targeted):
  art = classifier()
  truth = art.predict(BYTES).argmax(1)
  classes = 1 - truth if targeted else truth
  ours = ArtAttack(art, FGSM(from_art(art), eps=4, targeted=targeted))
  theirs = FastGradientMethod(art, eps=4, targeted=targeted, batch_size=6)
  assert isinstance(ours, EvasionAttack) and ours.targeted == targeted
  made = ours.generate(BYTES, np.eye(2)[classes])
  assert np.mean(np.abs(made - theirs.generate(BYTES, np.eye(2)[classes])) > 1e-2) < 0.01
  np.testing.assert_array_equal(made, ours.generate(x=BYTES, y=classes))
  if not targeted:
    np.testing.assert_array_equal(made, ours.generate(BYTES))


def test_arguments_of_an_attack():
  art = classifier()
  attack = ArtAttack(art, PGD(from_art(art), eps=4, steps=3))
  attack.set_params(eps=6.0, max_iter=2)
  assert (attack.attack.eps, attack.attack.steps, attack.eps_step) == (6, 2, 6)
  assert "eps=6.0" in repr(attack)
  assert np.abs(attack.generate(BYTES, np.zeros(6, int)) - BYTES).max() <= 6 + 1e-4
  for arguments, problem in (
    ({}, "the classes to reach"),
    ({"y": np.full((6, 2), 0.5)}, "not one-hot"),
    ({"y": np.zeros(5, int)}, "y of 6 labels"),
    ({"y": np.zeros(6, int), "mask": BYTES}, "mask too"),
  ):
    with pytest.raises(InputError, match=problem):
      attack.generate(BYTES, **arguments)
  with pytest.raises(InputError, match="predictions that differ"):
    ArtAttack(classifier(scale=(0.0, 255.0)), attack.attack)
  with pytest.raises(InputError, match="targeted"):
    attack.targeted = False


@pytest.mark.parametrize("detector", [Mahalanobis(regularisations=[0.1]), FeatureSqueezing()])
def test_a_detector(detector):
  art = classifier(scale=(0.0, 255.0))
  images = 255 * random_images(count=120, seed=3)
  labels = art.predict(images).argmax(1)
  model = from_art(art)
  density = HierarchicalDensity(2).fit(model.taps(images[:60], labels[:60]))
  attack = ArtAttack(art, HFCAttack(model, density, eps=25, steps=5, weight=0.1))
  adversarial = attack.generate(images[60:], 1 - labels[60:])
  ours = ArtDetector(art, detector, train=(images[:60], np.eye(2)[labels[:60]]))
  assert isinstance(ours, EvasionDetector) and ours.get_params() == {"detector": detector}
  x, y = np.concatenate([images[60:], adversarial]), np.repeat([0, 1], 60)
  ours.fit(x, np.eye(2)[y])
  report, flags = ours.detect(x)
  assert flags.dtype == bool and flags.shape == (120,)
  np.testing.assert_array_equal(flags, report["scores"] > report["threshold"])
  np.testing.assert_allclose(report["scores"], detector.score_images(model, x), rtol=1e-5)
  with pytest.raises(InputError, match="nb_epochs too"):
    ours.fit(x, y, nb_epochs=3)
  with pytest.raises(InputError, match=r"0 \(clean\) and 1"):
    ours.fit(x, 2 * y)
  with pytest.raises(InputError, match="Train images"):
    ArtDetector(art, Mahalanobis()).fit(x, y)


@pytest.mark.slow
def test_the_example_is_short_and_runs(capsys):
  script = ROOT / "examples" / "art_attack.py"
  lines = [line for line in script.read_text().splitlines()[1:] if line]
  assert len(lines) <= 15
  runpy.run_path(str(script))
  change = float(capsys.readouterr().out.split()[-1])
  assert 0 < change <= 4 / 256 + 1e-6
