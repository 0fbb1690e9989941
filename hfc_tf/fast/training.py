"""What Keras computes while it trains, by kernels that are faster on a CPU."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from hfc_tf.fast.convolution import CONVOLUTIONS, TrainedConvolution


@contextlib.contextmanager
def fast_kernels(model: keras.Model) -> Iterator[None]:
  """Calls of the model within train their convolutions and BatchNorm layers by faster kernels.

  Keras spells batch normalisation out, which on a CPU costs a third of a small network's step;
  convolutions of small maps, and those that skip points, are slow in oneDNN. On a GPU nothing
  changes, since XLA fuses Keras's formula there.

  Args:
    model: a functional model; it is as before afterwards.
  """
  gpu = bool(tf.config.list_logical_devices("GPU"))
  layers = [] if gpu else [x for x in model.layers if x.compute_dtype == "float32"]
  norms = [x for x in layers if isinstance(x, keras.layers.BatchNormalization) and _is_plain(x)]
  convolutions = [x for x in layers if type(x) in CONVOLUTIONS and x.data_format == "channels_last"]
  try:
    for layer in norms:
      layer.call = functools.partial(_fused_call, layer)
    for layer in convolutions:
      layer.convolution_op = functools.partial(_convolution, layer)
    yield
  finally:
    for layer in norms:
      vars(layer).pop("call", None)
    for layer in convolutions:
      vars(layer).pop("convolution_op", None)


def _is_plain(layer: keras.layers.BatchNormalization) -> bool:
  channels_last = layer.axis in (-1, layer.input_spec.ndim - 1)
  return bool(
    layer.trainable
    and layer.scale
    and layer.center
    and not getattr(layer, "renorm", False)  # since Keras 3.14
    and channels_last
  )


def _convolution(layer: Any, inputs: tf.Tensor, kernel: Any) -> tf.Tensor:
  """Keras's convolution_op."""
  return TrainedConvolution(layer, keras.ops.convert_to_tensor(kernel))(inputs)


def _fused_call(
  layer: keras.layers.BatchNormalization, inputs: tf.Tensor, training: bool, mask: None = None
) -> tf.Tensor:
  """Keras's BatchNormalization.call(training=True), any rank."""
  pixels = tf.reshape(inputs, (-1, 1, 1, inputs.shape[-1]))  # [N H W, 1, 1, C]
  outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
    pixels, layer.gamma.value, layer.beta.value, epsilon=layer.epsilon
  )
  count = tf.cast(tf.shape(pixels)[0], tf.float32)
  variance *= (count - 1) / count  # the kernel returns the unbiased one, Keras keeps the other
  for moving, batch in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
    moving.assign(moving * layer.momentum + batch * (1 - layer.momentum))
  return tf.reshape(outputs, tf.shape(inputs))


class Adam(keras.optimizers.Adam):  # type: ignore[misc]
  """Keras's Adam (Kingma and Ba, ICLR 2015), each variable in one pass over memory, not ten.

  Without amsgrad, and for variables that are not mirrored.
  """

  def update_step(self, gradient: tf.Tensor, variable: Any, learning_rate: Any) -> None:
    """variable -= lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)."""
    index = self._get_variable_index(variable)
    step, dtype = tf.cast(self.iterations + 1, tf.float32), variable.dtype
    tf.raw_ops.ResourceApplyAdam(
      var=variable.handle,
      m=self._momentums[index].value.handle,
      v=self._velocities[index].value.handle,
      beta1_power=tf.cast(self.beta_1**step, dtype),
      beta2_power=tf.cast(self.beta_2**step, dtype),
      lr=tf.cast(learning_rate, dtype),
      beta1=self.beta_1,
      beta2=self.beta_2,
      epsilon=self.epsilon,
      grad=gradient,
    )
