"""A search that sees no gradient does not beat the attacks that do (Athalye et al., ICML 2018)."""

import keras
import numpy as np
import pytest
from scipy.special import logsumexp

from hfc_tf.attacks import Square
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import attack, balanced, random_images

EPS, QUERIES = 2 / 256, 400


def losses(model, images, targets):
  """Cross-entropy with the target classes, [B]."""
  logits = model.taps(images).logits
  return logsumexp(logits, axis=1) - logits[np.arange(len(logits)), targets]


def random_search(model, images, targets):
  return Square(model, eps=EPS, steps=QUERIES)(images, targets)


@pytest.fixture(scope="module")
def world():
  model = TappedModel(balanced())
  images = random_images(count=40)
  targets = (1 - model.taps(images).predictions).astype(np.int32)
  return model, images, targets, losses(model, random_search(model, images, targets), targets)


@pytest.mark.parametrize("name", ["bim", "pgd", "mim", "apgd"])
def test_gradients_beat_random_search(world, name):
  model, images, targets, searched = world
  made = losses(model, attack(name, model, eps=EPS, steps=40)(images, targets), targets)
  assert searched.mean() < losses(model, images, targets).mean()  # the search is an attack too
  assert made.mean() <= searched.mean() and np.mean(made <= searched + 1e-3) >= 0.95


def test_a_masked_gradient_is_noticed(world):
  network = balanced()
  inputs = keras.Input((8, 8, 3))
  rounded = keras.ops.round(inputs * 256) / 128 - inputs  # about the inputs, with gradient -1
  model = TappedModel(keras.Model(inputs, network(rounded)))
  images, targets = world[1:3]
  made = losses(model, attack("bim", model, eps=EPS, steps=40)(images, targets), targets)
  searched = losses(model, random_search(model, images, targets), targets)
  assert searched.mean() < made.mean() and np.mean(made <= searched + 1e-3) < 0.5
