"""What tests of attacks start from: random images, classifiers that know all their classes."""

import numpy as np

from hfc_tf.attacks import ATTACKS, HFCAttack, mean_gap
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.taps import TappedModel
from tests.networks import tiny

EPS = 8 / 256
IN_THE_BALL = [name for name in ATTACKS if name not in ("deepfool", "cw_l2")]


def random_images(shape=(8, 8, 3), count=6, seed=0):
  return np.random.default_rng(seed).uniform(size=(count, *shape)).astype(np.float32)


def balanced(shape=(8, 8, 3), classes=2, seed=0, sharpness=30.0):
  """A random classifier, its head so sharp and centred that it predicts every class."""
  network = tiny(shape, classes, seed)
  logits = TappedModel(network).taps(random_images(shape, 100, 7)).logits
  head = network.get_layer("logits")
  kernel, bias = head.get_weights()
  head.set_weights([kernel * sharpness, (bias - logits.mean(0)) * sharpness])
  return network


def train_taps(model, count=60):
  """Taps of Train images that carry the predicted classes as labels."""
  images = random_images(model.input_shape, count, seed=9)
  return model.taps(images, model.taps(images).predictions)


def attack(name, model, **settings):
  """The attack of that name; "hfc/NAME" with HFC."""
  settings = {"eps": EPS, "steps": 6, **settings}
  hidden, _, base = name.rpartition("/")
  if base == "cw":
    settings.setdefault("kappa", mean_gap(train_taps(model).logits))
  if not hidden:
    return ATTACKS[base](model, **settings)
  return HFCAttack(model, HierarchicalDensity(2).fit(train_taps(model)), base, **settings)


def differing(one, other, tolerance=1e-5):
  """The share of pixels that differ: signs flip near a zero gradient."""
  return np.mean(np.abs(one - other) > tolerance)
