"""Every form of a convolution, and its gradient, against TensorFlow's own."""

import types

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.fast.convolution import Convolution

CASES = [
  ((5, 6), (1, 1), (2, 2), "same", 3),  # points left out, a side that is no multiple
  ((9, 9), (1, 1), (2, 3), "valid", 5),
  ((16, 16), (1, 1), (1, 1), "valid", 7),
  ((4, 3), (1, 1), (1, 1), "same", 7),
  ((5, 4, 6), (1, 1, 1), (2, 2, 2), "valid", 6),
  ((2, 2), (3, 3), (1, 1), "same", 6),  # maps smaller than kernels
  ((1, 1), (3, 3), (1, 1), "same", 6),
  ((2, 3), (3, 5), (1, 1), "same", 6),
  ((2, 2, 2), (3, 3, 3), (1, 1, 1), "same", 4),
  ((21, 22), (7, 7), (2, 2), "same", 3),  # images
  ((21, 22), (7, 7), (2, 2), "valid", 3),
  ((17, 13), (3, 4), (3, 2), "same", 1),
  ((17, 13), (3, 4), (3, 2), "valid", 4),
  ((8, 8), (2, 2), (4, 4), "valid", 3),
  ((9, 9), (2, 2), (4, 4), "same", 3),
  ((12, 12), (3, 3), (1, 1), "same", 5),  # nothing special
]


@pytest.mark.parametrize(("space", "sizes", "strides", "padding", "channels"), CASES)
@pytest.mark.parametrize("batch", [None, 2])
def test_forms_and_gradients_are_tensorflows(space, sizes, strides, padding, channels, batch):
  rng = np.random.default_rng(0)
  layer = types.SimpleNamespace(strides=strides, padding=padding, dilation_rate=(1,) * len(space))
  kernel = tf.constant(rng.normal(size=(*sizes, channels, 5)))
  maps = tf.constant(rng.normal(size=(2, *space, channels)))

  def both(convolution):
    @tf.function(input_signature=[tf.TensorSpec([batch, *space, channels], tf.float64)])
    def run(maps):
      with tf.GradientTape() as tape:
        tape.watch(maps)
        outputs = convolution(maps)
        loss = tf.reduce_sum(tf.sin(outputs))
      return outputs, tape.gradient(loss, maps)

    return run(maps)

  def reference(maps):
    return tf.nn.convolution(maps, kernel, strides, padding.upper())

  for ours, theirs in zip(both(Convolution(layer, kernel)), both(reference), strict=True):
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


def test_dilated_and_grouped_kernels_are_left_to_tensorflow():
  rng = np.random.default_rng(0)
  maps = tf.constant(rng.normal(size=(2, 2, 2, 6)))
  for shape, dilation, groups in (((3, 3, 6, 4), 2, 1), ((1, 1, 3, 4), 1, 2)):
    kernel = tf.constant(rng.normal(size=shape))
    layer = types.SimpleNamespace(strides=(1, 1), padding="same", dilation_rate=(dilation,) * 2)
    expected = tf.concat(
      [
        tf.nn.convolution(channels, weights, 1, "SAME", dilations=dilation)
        for channels, weights in zip(
          tf.split(maps, groups, -1), tf.split(kernel, groups, -1), strict=True
        )
      ],
      -1,
    )
    np.testing.assert_allclose(Convolution(layer, kernel)(maps), expected, rtol=1e-10)
