"""Copies of a network that run faster and compute the same: folded, or with a body in bfloat16."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hfc_tf.convolution import Convolution
from hfc_tf.errors import InputError

Tensor = Any
CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.Conv3D)


class FoldedConvolutions:
  """Convolutions with the batch normalisation behind them folded in.

      gamma (k * x + b - mean) / s + beta = (k gamma / s) * x + (b - mean) gamma / s + beta,
      s = sqrt(variance + epsilon)

  exactly what inference-mode BatchNormalization computes, without its passes over the maps and
  without the gradients for gamma and beta that TensorFlow computes beside the one for x. Compiled
  graphs share the folded weights; as constants of each graph they would be held ten times over.
  """

  def __init__(self) -> None:
    self._weights: dict[int, tuple[Convolution, Tensor]] = {}

  def normalization_after(self, operation: Any, graph: Any) -> Any:
    """The BatchNormalization that alone reads this convolution within a functional graph."""
    if type(operation) not in CONVOLUTIONS or operation.activation is not keras.activations.linear:
      return None
    if len(operation._inbound_nodes) != 1 or len(operation._outbound_nodes) != 1:
      return None
    norm = operation._outbound_nodes[0].operation
    if type(norm) is not keras.layers.BatchNormalization or len(norm._inbound_nodes) != 1:
      return None
    here = any(norm is other for other in graph.operations)
    seen_outside = any(operation.output is tensor for tensor in graph.outputs)
    last = norm.axis in (-1, len(operation.output.shape) - 1)
    return norm if here and last and not seen_outside else None

  def __call__(self, operation: Any, norm: Any, inputs: Tensor) -> Tensor:
    """The convolution of `inputs`, normalised by `norm` unless that is None."""
    dtype = operation.compute_dtype
    if id(operation) not in self._weights:
      with tf.init_scope():
        kernel, bias = (tf.constant(weights, dtype) for weights in _fold(operation, norm))
        self._weights[id(operation)] = Convolution(operation, kernel), bias
    convolution, bias = self._weights[id(operation)]
    return tf.nn.bias_add(convolution(tf.cast(inputs, dtype)), bias)


def _fold(operation: Any, norm: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
  def array(variable: Any) -> np.ndarray[Any, Any]:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float64)

  kernel = array(operation.kernel)  # [..., C_in, C_out]
  bias = array(operation.bias) if operation.use_bias else np.zeros(kernel.shape[-1])
  if norm is not None:
    factor = 1 / np.sqrt(array(norm.moving_variance) + norm.epsilon)
    if norm.scale:
      factor = factor * array(norm.gamma)
    bias = (bias - array(norm.moving_mean)) * factor
    if norm.center:
      bias = bias + array(norm.beta)
    kernel = kernel * factor
  return kernel.astype(np.float32), bias.astype(np.float32)


def max_pooling(layer: Any, maps: Tensor) -> Tensor:
  """What a MaxPooling2D layer computes, with a gradient that is ten times faster on a CPU.

  oneDNN has one, but TensorFlow takes it only where a graph is little more than the pooling:
  a function of its own, not inlined, which pools again.
  """

  def gradient(maps: Tensor, upstream: Tensor) -> Tensor:
    with tf.GradientTape() as tape:
      tape.watch(maps)
      pooled = layer(maps)
    return tape.gradient(pooled, maps, upstream)

  apart = tf.function(gradient, autograph=False, experimental_attributes={"_noinline": True})

  @tf.custom_gradient  # type: ignore[untyped-decorator]
  def form(maps: Tensor) -> Any:
    return layer(maps), lambda upstream: apart(maps, upstream)

  return form(maps)


def with_bfloat16_body(model: keras.Model) -> keras.Model:
  """A copy that computes in bfloat16 behind its first convolution or dense layer.

  What comes before, and that layer, stay in float32: bfloat16 rounds an image to 1/256 to 1/512,
  which is the size of the perturbations.

  Raises:
    InputError: for a model with layers that Keras cannot copy.
  """
  policy = "float32"

  def copy(layer: Any) -> Any:
    nonlocal policy
    config = layer.get_config()
    if "dtype" in config and not isinstance(layer, keras.layers.InputLayer):
      config["dtype"] = policy
    if isinstance(layer, (*CONVOLUTIONS, keras.layers.Conv1D, keras.layers.Dense)):
      policy = "mixed_bfloat16"
    return type(layer).from_config(config)

  try:
    copied = keras.models.clone_model(model, clone_function=copy, recursive=True)
    copied.set_weights(model.get_weights())
  except (TypeError, ValueError, NotImplementedError) as error:
    raise InputError(
      "a model whose layers can be copied (get_config and from_config)",
      f"{model.name!r}: {error}",
      "use --precision=float32",
    ) from error
  return copied
