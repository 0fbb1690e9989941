"""Tiny classifiers for tests."""

import keras

from hfc_tf.taps import TappedModel


def tiny(shape=(8, 8, 3), classes=2, seed=0, *, activation=None):
  """Two convolutions with ReLU, global average pooling, a linear head."""
  keras.utils.set_random_seed(seed)
  convolution = keras.layers.Conv2D if len(shape) == 3 else keras.layers.Conv3D
  pooling = (
    keras.layers.GlobalAveragePooling2D if len(shape) == 3 else keras.layers.GlobalAveragePooling3D
  )
  inputs = keras.Input(shape)
  x = convolution(6, 3, activation="relu", name="first")(inputs)
  x = keras.layers.BatchNormalization()(convolution(10, 3, name="second")(x))
  x = pooling()(keras.layers.ReLU(name="relu")(x))
  outputs = keras.layers.Dense(classes, name="logits", activation=activation)(x)
  return keras.Model(inputs, outputs)


def tapped(shape=(8, 8, 3), classes=2, seed=0):
  """The same, tapped."""
  return TappedModel(tiny(shape, classes, seed))
