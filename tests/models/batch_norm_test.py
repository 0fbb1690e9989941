"""BatchNorm: pooled statistics against numpy."""

import keras
import numpy as np
import pytest

from hfc_tf.models.batch_norm import BatchNormCalibrator
from hfc_tf.models.resnet18 import small_resnet


def images(count, shape, seed=0):
  return np.random.default_rng(seed).random((count, *shape), np.float32)


@pytest.mark.parametrize("batch_size", [3, 7, 100])
def test_first_layer_gets_the_population_exactly(batch_size):
  inputs = keras.Input((4, 4, 2))
  model = keras.Model(inputs, keras.layers.BatchNormalization(name="bn")(inputs))
  x = images(17, (4, 4, 2)) * [1, 5] + [0, 3]
  x[:8] += 10  # sorted by class: batches differ, so the means' variance matters
  BatchNormCalibrator(model)(x, batch_size)
  layer = model.get_layer("bn")
  np.testing.assert_allclose(layer.moving_mean, x.mean((0, 1, 2)), rtol=1e-5)
  np.testing.assert_allclose(layer.moving_variance, x.var((0, 1, 2)), rtol=1e-5)
  assert layer.momentum == 0.99


def test_one_batch_makes_inference_equal_training():
  model = small_resnet((16, 16, 1), 2, widths=(4, 8))
  x = images(8, (16, 16, 1))
  BatchNormCalibrator(model)(x, 8)
  recalibrated = model(x, training=False)
  np.testing.assert_allclose(recalibrated, model(x, training=True), rtol=1e-4, atol=1e-5)


def test_order_by_class_does_not_matter_much():
  """Batches of one class would normalise the class away."""
  model = small_resnet((16, 16, 1), 2, widths=(4,))
  x = images(64, (16, 16, 1))
  x[32:] *= 0.1
  BatchNormCalibrator(model)(x, 64)
  whole = model.get_layer("stage1_block2_2_bn").moving_variance.numpy()
  BatchNormCalibrator(model)(x, 16)
  np.testing.assert_allclose(
    model.get_layer("stage1_block2_2_bn").moving_variance, whole, rtol=0.25
  )


def test_trainable_weights_are_untouched():
  model = small_resnet((16, 16, 1), 2, widths=(4,))
  before = [w.numpy().copy() for w in model.trainable_variables]
  BatchNormCalibrator(model)(images(5, (16, 16, 1)), 2)
  for was, is_ in zip(before, model.trainable_variables, strict=True):
    np.testing.assert_array_equal(was, is_)


def test_layers_of_a_model_within_the_model():
  norm = keras.layers.BatchNormalization()
  inner = keras.Sequential([keras.Input((4, 4, 2)), norm])
  inputs = keras.Input((4, 4, 2))
  x = images(8, (4, 4, 2)) + 3
  BatchNormCalibrator(keras.Model(inputs, inner(inputs)))(x, 8)
  np.testing.assert_allclose(norm.moving_mean, x.mean((0, 1, 2)), rtol=1e-5)
