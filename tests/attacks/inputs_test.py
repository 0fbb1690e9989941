"""What attacks are handed: each mistake is one line, and what is clear is accepted."""

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.attacks import BIM, CWL2, PGD, HFCAttack, choose_targets, sign_noise
from hfc_tf.attacks.objectives import HFC, FeatureMean
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import EPS, balanced, random_images, train_taps
from tests.networks import tiny

IMAGES = random_images(count=6)
TARGETS = np.array([1, 0, 1, 1, 0, 1])


@pytest.fixture(scope="module")
def model():
  return TappedModel(balanced())


@pytest.fixture(scope="module")
def attack(model):
  return PGD(model, eps=EPS, steps=2)


@pytest.fixture(scope="module")
def wanted(attack):
  return attack(IMAGES, TARGETS)


@pytest.mark.parametrize(
  "targets",
  [
    np.eye(2)[TARGETS],
    np.eye(2, dtype=bool)[TARGETS],
    np.eye(2, dtype=np.float32)[TARGETS],
    TARGETS[:, None],
    TARGETS.tolist(),
    tf.constant(TARGETS),
    TARGETS.astype(np.uint8),
  ],
)
def test_classes_and_one_hot_rows_are_targets(attack, wanted, targets):
  np.testing.assert_array_equal(attack(IMAGES, targets), wanted)


def test_datasets_of_images_and_of_pairs(attack, wanted):
  pairs = tf.data.Dataset.from_tensor_slices((IMAGES, TARGETS)).batch(4)
  np.testing.assert_array_equal(attack(pairs), wanted)
  images = tf.data.Dataset.from_tensor_slices(IMAGES).batch(4)
  np.testing.assert_array_equal(attack(images, TARGETS), wanted)


@pytest.mark.parametrize(
  "images,targets,ids,message",
  [
    (IMAGES, None, None, "found none"),
    (IMAGES, TARGETS[:5], None, "targets for 6 images"),
    (IMAGES, [1], None, "targets for 6 images"),
    (IMAGES, TARGETS.astype(float), None, "integer targets"),
    (IMAGES, np.full((6, 2), 0.5), None, "not one-hot"),
    (IMAGES, np.eye(3)[TARGETS], None, "integer targets"),
    (IMAGES, ["a"] * 6, None, "integer targets"),
    (IMAGES, [[1], [0, 1]], None, r"targets \[N\]"),
    (IMAGES, TARGETS - 1, None, "targets between 0 and 1"),
    (IMAGES, TARGETS, [1], "ids for 6 images"),
    (IMAGES, TARGETS, np.arange(6.0), "integer ids"),
    (IMAGES, TARGETS, list("abcdef"), "integer ids"),
    ("images", TARGETS, None, "an array of numbers"),
    ([IMAGES[0], IMAGES[1, :4]], 1, None, "images of one shape"),
    (tf.data.Dataset.from_tensor_slices((IMAGES, TARGETS)).batch(4), 1, None, "leave the targets"),
    (tf.data.Dataset.from_tensor_slices((IMAGES, TARGETS)), None, None, r"call dataset.batch"),
    (tf.data.Dataset.from_tensor_slices(IMAGES).batch(4), TARGETS[:4], None, "for 6 images"),
    (tf.data.Dataset.from_tensor_slices(IMAGES).batch(4).repeat(), 1, None, "repeat"),
    (tf.data.Dataset.from_tensor_slices(IMAGES[:0]).batch(4), 1, None, "an empty dataset"),
    (tf.data.Dataset.from_tensor_slices({"x": IMAGES}).batch(4), 1, None, "batches of images"),
  ],
)
def test_what_does_not_fit_is_one_line(attack, images, targets, ids, message):
  with pytest.raises(InputError, match=message) as caught:
    attack(images, targets, ids)
  assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
  "settings,message",
  [
    ({"seed": -1}, "a seed"),
    ({"seed": 3_000_000_000}, "a seed from 0 to 2147483647"),
    ({"seed": 0.5}, "a seed"),
    ({"eps": np.nan}, r"eps in units of images in \[0, 1\]"),
    ({"eps": np.inf}, "eps in units"),
    ({"eps": "8"}, "eps in units"),
    ({"step_size": np.nan}, "step_size in units"),
    ({"steps": 2.5}, "steps as an integer"),
    ({"batch_size": 0}, "batch_size as an integer"),
  ],
)
def test_settings_that_cannot_be_used_are_one_line(model, settings, message):
  with pytest.raises(InputError, match=message):
    PGD(model, **settings)


def test_settings_are_checked_when_they_are_changed(model):
  attack = PGD(model, eps=EPS, steps=2)
  for name, value in (("eps", np.nan), ("step_size", 0), ("steps", 0)):
    with pytest.raises(InputError, match=name):
      setattr(attack, name, value)
  for name, value in (("weights", {"cross_entropy": np.inf}), ("seed", -1)):
    other = PGD(model, eps=EPS, steps=2)
    setattr(other, name, value)
    with pytest.raises(InputError, match=name[:4]):
      other(IMAGES, TARGETS)
  with pytest.raises(InputError, match="construct it anew"):
    attack.targeted = False


def test_other_doors(model):
  with pytest.raises(InputError, match=r"a TappedModel; found Functional; wrap the model"):
    PGD(tiny())
  with pytest.raises(InputError, match="learning_rate"):
    CWL2(model, learning_rate=0)
  with pytest.raises(InputError, match="an objective; found str"):
    BIM(model, "margin")
  with pytest.raises(InputError, match="a weight"):
    np.nan * FeatureMean("first")
  with pytest.raises(InputError, match="a seed"):
    choose_targets(TARGETS, np.zeros((6, 2)), seed=-1)
  with pytest.raises(InputError, match="targets for 6 images"):
    choose_targets(TARGETS[:3], np.zeros((6, 2)))
  with pytest.raises(InputError, match="float images"):
    sign_noise((IMAGES * 255).astype(np.uint8), EPS)


def test_terms_of_another_model_are_refused(model):
  density = HierarchicalDensity(2).fit(train_taps(model))
  wider = TappedModel(balanced(classes=3))
  with pytest.raises(InputError, match="a model of 2 classes"):
    HFCAttack(wider, density)
  with pytest.raises(InputError, match="no such layer"):
    BIM(model, FeatureMean("nowhere"))
  taps = train_taps(model)
  features = {name: values[:, :4] for name, values in taps.features.items()}
  narrow = type(taps)(features, taps.logits, taps.labels, taps.penultimate)
  with pytest.raises(InputError, match="has 4 channels"):
    BIM(model) + HFC(HierarchicalDensity(2).fit(narrow))
  with pytest.raises(InputError, match="a HierarchicalDensity; found Taps"):
    HFCAttack(model, taps)


def test_ids_that_would_wrap_are_refused(attack):
  images = np.repeat(IMAGES[:1], 2, 0)
  assert attack(images, 1, [-1, 2**31 - 1]).shape == images.shape
  for ids in ([0, 2**31], [-(2**31) - 1, 0], np.array([0, 2**63], np.uint64)):
    with pytest.raises(InputError, match="ids within 32 bits"):
      attack(images, 1, ids)


def test_a_dictionary_is_a_batch_of_images_and_true_classes():
  model = TappedModel(balanced())
  images = random_images()
  truth = model.taps(images).predictions
  leave, reach = BIM(model, eps=EPS, steps=2, targeted=False), BIM(model, eps=EPS, steps=2)
  batch = {"image": images, "label": truth, "name": ["x"] * len(images)}
  np.testing.assert_array_equal(leave(batch), leave(images, truth))
  np.testing.assert_array_equal(reach(batch, 1 - truth), reach(images, 1 - truth))
  for attack, wrong in ((reach, batch), (leave, {"label": truth}), (leave, {"image": images})):
    with pytest.raises(InputError):
      attack(wrong)
