"""Whether taps give what their model gives."""

import keras
import numpy as np
import tensorflow as tf

from hfc_tf.taps import TappedModel

L = keras.layers
SHAPE = (16, 16, 3)


def random_images(count=6, shape=SHAPE):
  return np.random.default_rng(1).random((count, *shape), np.float32)


def body(inputs, width=8):
  return L.GlobalAveragePooling2D()(L.Conv2D(width, 3, activation="relu")(inputs))


def classifier(tail, seed=0):
  """A functional classifier; `tail` makes the output of the pooled features."""
  keras.utils.set_random_seed(seed)
  inputs = keras.Input(SHAPE)
  return keras.Model(inputs, tail(body(inputs)))


def agree(model, images=None, atol=1e-4, **settings):
  """Asserts that output, gradient and head are the model's; returns taps and tapped model."""
  images = random_images() if images is None else images
  tapped = TappedModel(model, **settings)
  taps = tapped.taps(images, batch_size=4)
  given = keras.tree.flatten(model.predict(images, verbose=0))[0].astype(np.float64)
  rows = taps.logits if given.shape[1] > 1 else taps.logits[:, 1:]
  error = {
    form: np.abs(form(tf.constant(rows, tf.float64)).numpy() - given).max()
    for form in (tf.identity, tf.sigmoid if given.shape[1] == 1 else tf.nn.softmax)
  }
  assert min(error.values()) < atol
  if atol == 1e-4 and images.dtype == np.float32 and not settings:
    form = min(error, key=error.get)
    ours = _gradient(lambda x: form(tapped(x)[0][:, -given.shape[1] :]), images)
    theirs = _gradient(lambda x: keras.tree.flatten(model(x))[0], images)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * np.abs(theirs).max())
  if taps.head is not None:
    kernel, bias = taps.head
    linear = taps.features[taps.penultimate] @ kernel + bias
    np.testing.assert_allclose(linear, taps.logits, atol=atol * max(1, np.abs(linear).max()))
  return taps, tapped


def _gradient(function, images):
  inputs = tf.constant(images)
  with tf.GradientTape() as tape:
    tape.watch(inputs)
    outputs = function(inputs)[:, -1]
  return tape.gradient(outputs, inputs).numpy()
