"""Faster kernels of training against Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.fast import training
from hfc_tf.fast.training import Adam, fast_kernels
from hfc_tf.models.small_resnet import small_resnet


@pytest.mark.parametrize("shape", [(16, 16, 1), (4, 4, 1), (8, 8, 8, 1)])
def test_fast_kernels_are_kerass(shape):
  x = np.random.default_rng(0).random((6, *shape), np.float32)
  results = []
  for fast in (False, True):
    model = small_resnet(shape, 2, widths=(4, 8))
    with tf.GradientTape() as tape:
      if fast:
        with fast_kernels(model):
          logits = model(x, training=True)
      else:
        logits = model(x, training=True)
      loss = tf.reduce_sum(logits**2)
    gradients = tape.gradient(loss, model.trainable_variables)
    results.append([logits, *gradients, *(v.value for v in model.non_trainable_variables)])
    assert not any({"call", "convolution_op"} & set(vars(layer)) for layer in model.layers)
  for plain, faster in zip(*results, strict=True):
    scale = float(np.max(np.abs(plain))) + 1e-6
    np.testing.assert_allclose(np.asarray(faster) / scale, np.asarray(plain) / scale, atol=1e-4)


def test_keras_still_asks_for_every_kernel(monkeypatch):
  """A Keras that no longer does would be slow, but right."""
  asked = []
  for name in ("_convolution", "_fused_call"):
    own = getattr(training, name)

    def told(layer, *inputs, own=own, **others):
      asked.append(layer.name)
      return own(layer, *inputs, **others)

    monkeypatch.setattr(training, name, told)
  model = small_resnet((8, 8, 1), 2, widths=(4, 8))
  with fast_kernels(model):
    model(np.zeros((2, 8, 8, 1), np.float32), training=True)
  kinds = (keras.layers.Conv2D, keras.layers.BatchNormalization)
  assert sorted(asked) == sorted(x.name for x in model.layers if isinstance(x, kinds))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_adam_is_kerass(dtype):
  rng = np.random.default_rng(0)
  start, gradients = rng.normal(size=(3, 4)), rng.normal(size=(5, 3, 4))
  schedule = keras.optimizers.schedules.CosineDecay(0.1, 5)
  found = []
  for kind in (Adam, keras.optimizers.Adam):
    variable = keras.Variable(start, dtype=dtype)
    optimizer = kind(schedule)
    optimizer.build([variable])
    for gradient in gradients:
      optimizer.apply([tf.constant(gradient, dtype)], [variable])
    found.append([variable.numpy(), *(np.asarray(state) for state in optimizer.variables)])
  for ours, theirs in zip(*found, strict=True):
    # The kernel takes 1 - beta_2 in float32: 5e-5 of it is rounding.
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
  assert np.abs(found[0][0] - start).min() > 1e-3
