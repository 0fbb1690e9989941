"""Faster forms of the calls of a network's layers: folded normalisation, convolutions, pooling."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hfc_tf.fast.convolution import CONVOLUTIONS, Convolution, constant

Tensor = Any
Array = np.ndarray[Any, Any]


class Forms:
  """Makes the operations that take the place of layers' calls; knows which hold copies of weights.

  Convolutions are computed with the batch normalisation behind them folded in,

      gamma (k * x + b - mean) / s + beta = (k gamma / s) * x + (b - mean) gamma / s + beta,
      s = sqrt(variance + epsilon)

  without its passes over the maps and the gradients for gamma and beta beside the one for x.
  """

  def __init__(self) -> None:
    self._folded: list[_Folded] = []

  def __call__(self, layer: Any, before: Any) -> tuple[keras.Operation, list[Tensor]] | None:
    """The faster form of a layer's call, and what it reads instead; None if there is none.

    `before` is the node (operation, inputs, output) that gave the layer's one input, or None.
    """
    if type(layer) is keras.layers.MaxPooling2D:
      return _MaxPooling(layer), []
    if _is_convolution(layer):
      return self._fold(layer, None), []
    if type(layer) is not keras.layers.BatchNormalization or before is None:
      return None
    linear = keras.activations.linear
    if not _is_convolution(before.operation) or before.operation.activation is not linear:
      return None
    if layer.axis not in (-1, len(before.output.shape) - 1):
      return None
    return self._fold(before.operation, layer), before.inputs

  def _fold(self, convolution: Any, norm: Any) -> _Folded:
    self._folded.append(_Folded(convolution, norm))
    return self._folded[-1]

  def refresh(self) -> None:
    """Folds the weights that the layers have now."""
    for folded in self._folded:
      folded.refresh()


def _is_convolution(layer: Any) -> bool:
  """Whether a layer multiplies by its kernel as it is, not quantised nor with an update."""
  changed = getattr(layer, "quantization_mode", None) or getattr(layer, "lora_enabled", False)
  return type(layer) in CONVOLUTIONS and not changed


def checksum(variables: Iterable[Any]) -> int:
  """A number that changes with the variables' values: the sum of their bytes as 64-bit words."""
  total = 0
  for variable in variables:
    value = np.ascontiguousarray(keras.ops.convert_to_numpy(variable)).reshape(-1)
    numbers = value.view(np.uint8 if value.nbytes % 8 else np.uint64)
    total = (31 * total + int(numbers.sum(dtype=np.uint64))) % 2**64
  return total


class _Form(keras.Operation):  # type: ignore[misc]
  """A faster form of a layer's call."""

  def __init__(self, layer: Any) -> None:
    super().__init__()
    self._layer = layer

  def compute_output_spec(self, inputs: Tensor) -> Tensor:
    """Shape and type, as the layer tells them."""
    return self._layer.compute_output_spec(inputs)


class _Folded(_Form):
  """A convolution, normalised by `norm` unless that is None, and its activation."""

  def __init__(self, convolution: Any, norm: Any) -> None:
    super().__init__(convolution)
    self._norm = norm
    dtype = convolution.compute_dtype
    kernel, bias = _fold(convolution, norm)
    self._kernel = tf.Variable(kernel, trainable=False, dtype=dtype)
    self._bias = tf.Variable(bias, trainable=False, dtype=dtype)
    self._convolution = Convolution(convolution, self._kernel)

  def refresh(self) -> None:
    """Takes over the layers' present weights."""
    kernel, bias = _fold(self._layer, self._norm)
    self._kernel.assign(tf.cast(kernel, self._kernel.dtype))
    self._bias.assign(tf.cast(bias, self._bias.dtype))
    self._convolution.refresh()

  def call(self, inputs: Tensor) -> Tensor:
    """Maps [B, ..., C_out] of maps [B, ..., C_in]."""
    outputs = self._convolution(tf.cast(inputs, self._kernel.dtype))
    return self._layer.activation(tf.nn.bias_add(outputs, constant(self._bias)))


def _fold(layer: Any, norm: Any) -> tuple[Array, Array]:
  def array(variable: Any) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float64)

  kernel = array(layer.kernel)  # [..., C_in, C_out]
  bias = array(layer.bias) if layer.use_bias else np.zeros(kernel.shape[-1])
  if norm is not None:
    factor = 1 / np.sqrt(array(norm.moving_variance) + norm.epsilon)
    if norm.scale:
      factor = factor * array(norm.gamma)
    bias = (bias - array(norm.moving_mean)) * factor
    if norm.center:
      bias = bias + array(norm.beta)
    kernel = kernel * factor
  return kernel.astype(np.float32), bias.astype(np.float32)


class _MaxPooling(_Form):
  """What a MaxPooling2D layer computes, with a gradient that is ten times faster on a CPU.

  oneDNN has one, but TensorFlow takes it only where a graph is little more than the pooling:
  a function of its own, not inlined, which pools again.
  """

  def __init__(self, layer: Any) -> None:
    super().__init__(layer)
    self._apart = tf.function(
      self._gradient, autograph=False, experimental_attributes={"_noinline": True}
    )

  def _gradient(self, maps: Tensor, upstream: Tensor) -> Tensor:
    with tf.GradientTape() as tape:
      tape.watch(maps)
      pooled = self._layer(maps)
    return tape.gradient(pooled, maps, upstream)

  def call(self, maps: Tensor) -> Tensor:
    """Pooled maps."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def form(maps: Tensor) -> Any:
      return self._layer(maps), lambda upstream: self._apart(maps, upstream)

    return form(maps)
