"""Walks through the layers of a functional Keras model and notes every activation."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.models.functional import Functional

from hfc_tf.errors import InputError

Tensor = Any
_ACTIVATION_LAYERS = (
  keras.layers.Activation,
  keras.layers.ReLU,
  keras.layers.LeakyReLU,
  keras.layers.PReLU,
  keras.layers.ELU,
)
_ACTIVATION_OPERATIONS = (
  "Relu Relu6 LeakyRelu Elu Selu Celu Gelu Silu HardSilu Sigmoid HardSigmoid Softplus Tanh"
)
_PROBABILITIES = frozenset({"softmax", "sigmoid", "Softmax", "Sigmoid"})
_KEEPS_MEANS = (
  keras.layers.Dropout,
  keras.layers.SpatialDropout2D,
  keras.layers.SpatialDropout3D,
  keras.layers.Identity,
)
_FLATTENS = (keras.layers.Flatten, keras.layers.Reshape)
_POOLS = (
  keras.layers.GlobalAveragePooling1D,
  keras.layers.GlobalAveragePooling2D,
  keras.layers.GlobalAveragePooling3D,
)


def _functional(model: Any) -> Any:
  """The functional graph behind a functional or built Sequential model, or None."""
  if isinstance(model, keras.Sequential):
    return model._functional
  plain = isinstance(model, Functional) and type(model).call is Functional.call
  return model if plain else None


def _activation_name(operation: Any) -> str:
  """'relu', 'softmax', ... of whatever the operation applies last; 'linear' when nothing."""
  if isinstance(operation, _ACTIVATION_LAYERS[1:]):
    return type(operation).__name__
  if isinstance(operation, keras.layers.Softmax):
    return "softmax"
  activation = getattr(operation, "activation", None)
  if callable(activation):
    return getattr(activation, "__name__", type(activation).__name__)
  name = type(operation).__name__
  known = not isinstance(operation, keras.layers.Layer) and (
    name in _ACTIVATION_OPERATIONS.split() or name in _PROBABILITIES
  )
  return name if known else "linear"


class Graph:
  """Runs a functional model operation by operation, in inference mode, and taps it.

  Args:
    model: a functional or Sequential model with one image input and one output of classes.

  Raises:
    InputError: for what it cannot walk through, naming the model or layer.
  """

  def __init__(self, model: Any) -> None:
    graph = _functional(model)
    name = f"{type(model).__name__} {getattr(model, 'name', '')!r}"
    if graph is None:
      raise InputError(
        "a functional or built Sequential Keras model",
        f"{name}, which is subclassed or not built",
        "rebuild it as keras.Model(inputs, outputs)",
      )
    for kind, ends in (("input", graph.inputs), ("output", graph.outputs)):
      if len(ends) != 1:
        raise InputError(
          f"a model with one {kind}",
          f"{name} with {len(ends)} {kind}s",
          f"wrap it in keras.Model with one {kind}",
        )
    self._model = graph
    self.input_shape = tuple(graph.inputs[0].shape[1:])
    if len(self.input_shape) not in (3, 4):
      raise InputError(
        "an input of shape (H, W, C) or (D, H, W, C)",
        f"{name} with input {self.input_shape}",
        "only image and volume classifiers can be tapped",
      )
    self._find_head(name)
    self.penultimate = ""

  def _find_head(self, name: str) -> None:
    """Which operation makes probabilities (skipped) and which one makes logits."""
    last, operation = self._model.outputs[0], None
    while True:
      operation = last._keras_history.operation
      nested = _functional(operation)
      if nested is None:
        break
      last = nested.outputs[0]
    kind = _activation_name(operation)
    dense = isinstance(operation, keras.layers.Dense)
    self._skip = None
    if not dense and kind in _PROBABILITIES:
      self._skip = operation
      source = last._keras_history
      before = source.operation._inbound_nodes[source.node_index].input_tensors[0]
      operation = before._keras_history.operation
      dense = isinstance(operation, keras.layers.Dense)
      dense = dense and _activation_name(operation) == "linear"
    self._head = operation if dense else None
    units = self._model.outputs[0].shape[-1]
    rank = len(self._model.outputs[0].shape)
    self._single = units == 1
    linear_or_softmax = kind in ("linear", "softmax", "Softmax")
    if rank != 2 or units is None or not (linear_or_softmax or kind in _PROBABILITIES):
      raise InputError(
        "an output of shape (N, classes): logits, softmax or one sigmoid unit",
        f"{name} with output {tuple(self._model.outputs[0].shape)} ending in {kind}",
        "end the model in a Dense layer with one unit a class",
      )
    if units > 1 and not linear_or_softmax:
      raise InputError(
        "one label an image (softmax, logits, or a single sigmoid unit)",
        f"{name} with {units} sigmoid units: a multi-label classifier",
        "attack one finding at a time with a single-unit head",
      )
    if units == 1 and kind in ("softmax", "Softmax"):
      raise InputError("two or more classes", f"{name} with one softmax unit", "use a sigmoid unit")

  def head_arrays(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]] | None:
    """Kernel [C, K] and bias [K] of the last dense layer as logits see them."""
    if self._head is None:
      return None
    kernel = np.asarray(keras.ops.convert_to_numpy(self._head.kernel), np.float32)
    bias = np.zeros(kernel.shape[1], np.float32)
    if self._head.use_bias:
      bias = np.asarray(keras.ops.convert_to_numpy(self._head.bias), np.float32)
    if self._single:
      kernel = np.concatenate([np.zeros_like(kernel), kernel], axis=1)
      bias = np.concatenate([np.zeros_like(bias), bias])
    return kernel, bias

  def __call__(self, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits [B, K] and channel means {name: [B, C_l]}, float32, in the network's order."""
    walk = _Walk(self._head, self._skip)
    logits = tf.cast(walk.run(self._model, inputs), tf.float32)  # [B, K]
    if self._single:
      logits = tf.concat([tf.zeros_like(logits), logits], axis=1)  # [B, 2]
    if not walk.means:
      raise InputError(
        "a network with activations (ReLU layers, or layers with a built-in activation)",
        f"{self._model.name!r} without any",
        "give a model whose activations are Keras layers",
      )
    if walk.head_input is not None and walk.penultimate is None:
      walk.means["penultimate"] = _channel_mean(walk.head_input)
      walk.penultimate = "penultimate"
    self.penultimate = walk.penultimate or next(reversed(walk.means))
    return logits, walk.means


class _Walk:
  """One pass through the layers: the taps, and which tensors have the channel means of a tap."""

  def __init__(self, head: Any, skip: Any) -> None:
    self._head, self._skip = head, skip
    self.means: dict[str, Tensor] = {}
    self.head_input: Tensor = None
    self.penultimate: str | None = None
    self._same: dict[int, str] = {}
    self._alive: list[Tensor] = []  # ids of `_same` stay unique while the tensors live

  def run(self, graph: Any, inputs: Any) -> Tensor:
    return graph._run_through_graph(inputs, operation_fn=lambda op: _Step(self, op))

  def step(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
    nested = _functional(operation)
    if nested is not None:
      return self.run(nested, args[0])
    if isinstance(operation, keras.Model):
      raise InputError(
        "functional models all the way down",
        f"the subclassed model {operation.name!r} inside",
        "rebuild it as keras.Model(inputs, outputs)",
      )
    if operation is self._skip:
      return args[0]
    if operation is self._head:
      self.head_input, self.penultimate = args[0], self._same.get(id(args[0]))
      kernel = tf.cast(tf.convert_to_tensor(operation.kernel), tf.float32)
      logits = tf.cast(args[0], tf.float32) @ kernel  # [B, K]
      return logits + tf.cast(operation.bias, tf.float32) if operation.use_bias else logits
    if getattr(operation, "data_format", "channels_last") == "channels_first":
      raise InputError(
        "channels-last layers", f"{operation.name!r} with channels first", "convert the model"
      )
    if getattr(operation, "_call_has_training_arg", False):
      kwargs["training"] = False
    output = operation(*args, **kwargs)
    if _activation_name(operation) not in ("linear", "softmax", "Softmax"):
      self._tap(operation.name, output)
    elif args and id(args[0]) in self._same and _keeps_means(operation, args[0], output):
      self._note(output, self._same[id(args[0])])
    return output

  def _tap(self, name: str, output: Tensor) -> None:
    unique, count = name, 1
    while unique in self.means:
      count += 1
      unique = f"{name}:{count}"
    self.means[unique] = _channel_mean(output)
    self._note(output, unique)

  def _note(self, tensor: Tensor, name: str) -> None:
    self._same[id(tensor)] = name
    self._alive.append(tensor)


class _Step:
  """What Keras calls in place of an operation."""

  def __init__(self, walk: _Walk, operation: Any) -> None:
    self._walk, self._operation = walk, operation

  def __call__(self, *args: Any, **kwargs: Any) -> Any:
    return self._walk.step(self._operation, *args, **kwargs)


def _keeps_means(operation: Any, before: Tensor, after: Tensor) -> bool:
  """Whether the output's channel means are those of the input."""
  if isinstance(operation, _POOLS + _KEEPS_MEANS):
    return True
  pointwise = all(size == 1 for size in before.shape[1:-1])
  return isinstance(operation, _FLATTENS) and pointwise and len(after.shape) == 2


def _channel_mean(tensor: Tensor) -> Tensor:
  mean_axes = list(range(1, len(tensor.shape) - 1))
  return tf.reduce_mean(tf.cast(tensor, tf.float32), axis=mean_axes)  # [B, C]
