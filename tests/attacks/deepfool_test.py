"""DeepFool on a linear model, where it is exact."""

import keras
import numpy as np
import pytest

from hfc_tf.attacks import DeepFool
from hfc_tf.taps import TappedModel


def linear(classes):
  """Logits that are linear in positive images."""
  keras.utils.set_random_seed(3)
  inputs = keras.Input((4, 4, 1))
  positive = keras.layers.ReLU()(keras.layers.Flatten()(inputs))
  return TappedModel(keras.Model(inputs, keras.layers.Dense(classes)(positive)))


def _distances(model, images, labels):
  """Of each image to the boundary with each other class, [N, K]."""
  kernel, bias = model.head
  logits = images.reshape(len(images), -1) @ kernel + bias
  rows = np.arange(len(images))
  apart = np.linalg.norm(kernel[:, None] - kernel[:, :, None], axis=0)
  gaps = logits[rows, labels][:, None] - logits
  with np.errstate(invalid="ignore", divide="ignore"):
    return gaps / apart[labels]


@pytest.mark.parametrize("classes", [2, 4])
def test_the_nearest_boundary_of_a_linear_model_in_one_step(classes):
  model = linear(classes)
  images = np.random.default_rng(0).uniform(0.4, 0.6, (9, 4, 4, 1)).astype(np.float32)
  labels = model.taps(images).predictions
  adversarials = DeepFool(model, targeted=False, steps=1)(images, labels)
  assert (model.taps(adversarials).predictions != labels).all()
  moved = np.linalg.norm((adversarials - images).reshape(9, -1), axis=1)
  nearest = np.sort(_distances(model, images, labels), 1)[:, 0]
  np.testing.assert_allclose(moved, 1.02 * (nearest + 1e-4), rtol=1e-3)


def test_a_target_is_reached_along_its_boundary():
  model = linear(2)
  images = np.random.default_rng(0).uniform(0.4, 0.6, (9, 4, 4, 1)).astype(np.float32)
  labels = model.taps(images).predictions
  targeted = DeepFool(model, steps=1)(images, 1 - labels)
  np.testing.assert_array_equal(model.taps(targeted).predictions, 1 - labels)
  untargeted = DeepFool(model, targeted=False, steps=1)(images, labels)
  np.testing.assert_allclose(targeted, untargeted, atol=1e-6)
  # An image that is there already stays.
  np.testing.assert_array_equal(DeepFool(model)(images, labels), images)
