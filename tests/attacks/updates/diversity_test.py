"""Resized and padded images against Keras's resizing, and their draws."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.attacks import BIM, DI
from hfc_tf.attacks.draws import uniform
from hfc_tf.attacks.objectives import Batch
from hfc_tf.attacks.updates import InputDiversity
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import EPS, balanced, random_images


def _batch(count, seed=4):
  return Batch(None, None, tf.range(count), tf.constant(seed))


def test_an_image_is_made_smaller_and_put_somewhere_on_black():
  images, update = random_images((12, 15, 2), 20), InputDiversity(1.0, 0.6)
  viewed = update.view(tf.constant(images), _batch(20), tf.constant(3)).numpy()
  draws = uniform(tf.range(20), 4, tf.constant(4), tf.constant(3)).numpy()
  sizes = set()
  for image, view, (_, shrink, down, right) in zip(images, viewed, draws, strict=True):
    height, width = 7 + int(shrink * 5), 9 + int(shrink * 6)
    top, left = int(down * (13 - height)), int(right * (16 - width))
    expected = np.zeros_like(image)
    expected[top : top + height, left : left + width] = keras.ops.image.resize(
      image, (height, width), interpolation="bilinear", antialias=False
    )
    np.testing.assert_allclose(view, expected, atol=1e-5)
    sizes.add((height, width, top, left))
  assert len(sizes) > 10


def test_volumes_are_changed_along_every_axis():
  volumes = tf.ones([30, 6, 8, 10, 1])
  viewed = InputDiversity(1.0, 0.5).view(volumes, _batch(30), tf.constant(0)).numpy()
  for axis in (1, 2, 3):
    occupied = viewed.max(tuple({1, 2, 3, 4} - {axis})) > 0
    extents = occupied.sum(1)
    size = volumes.shape[axis]
    assert extents.min() >= size // 2 and extents.max() < size and len(set(extents)) > 1
    assert len(set(occupied.argmax(1))) > 1
  np.testing.assert_allclose(viewed[viewed > 0], 1, atol=1e-6)


def test_the_probability_is_kept_for_each_sample_and_step():
  images, view = random_images((8, 8, 1), 400), tf.function(InputDiversity(0.3).view)
  changed = [
    (view(tf.constant(images), _batch(400), tf.constant(step)).numpy() != images).any((1, 2, 3))
    for step in range(2)
  ]
  assert all(0.2 < each.mean() < 0.4 for each in changed)  # 4.4 standard deviations
  assert (changed[0] != changed[1]).mean() > 0.3
  batch = _batch(400)._replace(ids=tf.range(100, 400))
  again = view(tf.constant(images[100:]), batch, tf.constant(1))
  np.testing.assert_array_equal((again.numpy() != images[100:]).any((1, 2, 3)), changed[1][100:])


def test_without_probability_it_is_bim_bit_for_bit():
  model, images = TappedModel(balanced()), random_images()
  settings = {"eps": EPS, "steps": 8}
  plain = BIM(model, **settings)(images, 1)
  np.testing.assert_array_equal(DI(model, probability=0.0, **settings)(images, 1), plain)
  attack = DI(model, seed=1, **settings)
  diverse = attack(images, 1)
  assert (diverse != plain).any()
  np.testing.assert_array_equal(attack(images, 1), diverse)
  attack.seed = 2
  assert (attack(images, 1) != diverse).any()


def test_impossible_settings_are_refused():
  for settings in ({"probability": 1.5}, {"smallest": 0.0}):
    with pytest.raises(InputError, match="within 0 and 1"):
      InputDiversity(**settings)
