"""MIM against its equations, and what it is without memory."""

import numpy as np
import tensorflow as tf

from hfc_tf.attacks import BIM, MIM
from hfc_tf.attacks.updates import Here, Momentum
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import EPS, balanced, random_images


def test_the_equations_written_out():
  gradients = np.random.default_rng(0).normal(size=(3, 2, 4, 4, 1)).astype(np.float32)
  gradients[1, 0] = 0
  update, images = Momentum(0.9), tf.zeros([2, 4, 4, 1])
  state = update.init(images, 1, None, None)
  momentum = np.zeros((2, 4, 4, 1))
  for gradient in gradients:
    norm = np.abs(gradient).sum((1, 2, 3), keepdims=True)
    momentum = 0.9 * momentum + gradient / np.where(norm > 0, norm, 1)
    here = Here(images, [tf.constant(gradient)], None, None, None, None, 0.1, None)
    images, state = update.step(here, state)
    np.testing.assert_allclose(state, momentum, rtol=1e-5, atol=1e-8)
  np.testing.assert_allclose(images, here.images - 0.1 * np.sign(momentum), atol=1e-6)


def test_without_decay_it_is_bim_bit_for_bit():
  model, images = TappedModel(balanced()), random_images()
  settings = {"eps": EPS, "steps": 8}
  plain = BIM(model, **settings)(images, 1)
  np.testing.assert_array_equal(MIM(model, decay=0.0, **settings)(images, 1), plain)
  assert (MIM(model, **settings)(images, 1) != plain).any()
