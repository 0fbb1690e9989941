"""Walks through the layers of a functional Keras model and notes every activation."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras.src.models.functional import Functional

from hfc_tf.engine import CONVOLUTIONS, FoldedConvolutions, max_pooling
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
PROBABILITIES = frozenset({"softmax", "sigmoid", "Softmax", "Sigmoid"})
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


def functional(model: Any) -> Any:
  """The functional graph behind a functional or built Sequential model, or None."""
  if isinstance(model, keras.Sequential):
    return model._functional
  plain = isinstance(model, Functional) and type(model).call is Functional.call
  return model if plain else None


def activation_name(operation: Any) -> str:
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
    name in _ACTIVATION_OPERATIONS.split() or name in PROBABILITIES
  )
  return name if known else "linear"


class Walk:
  """One pass through the layers: the taps, and which tensors have the channel means of a tap."""

  def __init__(self, head: Any, skip: Any, folded: FoldedConvolutions | None = None) -> None:
    self._head, self._skip, self._folded = head, skip, folded
    self._absorbed: set[int] = set()  # ids of normalisations that convolutions hold
    self.means: dict[str, Tensor] = {}
    self.head_input: Tensor = None
    self.penultimate: str | None = None
    self._same: dict[int, str] = {}
    self._alive: list[Tensor] = []  # ids of `_same` stay unique while the tensors live

  def run(self, graph: Any, inputs: Any) -> Tensor:
    """The output of a functional graph."""
    return graph._run_through_graph(inputs, operation_fn=lambda op: _Step(self, op, graph))

  def step(self, operation: Any, graph: Any, *args: Any, **kwargs: Any) -> Any:
    """The output of one operation of the graph."""
    nested = functional(operation)
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
    if id(operation) in self._absorbed:
      return args[0]
    if self._folded is not None and type(operation) in CONVOLUTIONS:
      norm = self._folded.normalization_after(operation, graph)
      self._absorbed.add(id(norm))
      output = operation.activation(self._folded(operation, norm, args[0]))
    elif self._folded is not None and type(operation) is keras.layers.MaxPooling2D:
      output = max_pooling(operation, args[0])
    else:
      output = operation(*args, **kwargs)
    if activation_name(operation) not in ("linear", "softmax", "Softmax"):
      output = self._tap(operation.name, output)
    elif args and id(args[0]) in self._same and _keeps_means(operation, args[0], output):
      self._note(output, self._same[id(args[0])])
    return output

  def _tap(self, name: str, output: Tensor) -> Tensor:
    unique, count = name, 1
    while unique in self.means:
      count += 1
      unique = f"{name}:{count}"
    output, self.means[unique] = tapped(output)
    self._note(output, unique)
    return output

  def _note(self, tensor: Tensor, name: str) -> None:
    self._same[id(tensor)] = name
    self._alive.append(tensor)


class _Step:
  """What Keras calls in place of an operation."""

  def __init__(self, walk: Walk, operation: Any, graph: Any) -> None:
    self._walk, self._operation, self._graph = walk, operation, graph

  def __call__(self, *args: Any, **kwargs: Any) -> Any:
    return self._walk.step(self._operation, self._graph, *args, **kwargs)


def _keeps_means(operation: Any, before: Tensor, after: Tensor) -> bool:
  """Whether the output's channel means are those of the input."""
  if isinstance(operation, _POOLS + _KEEPS_MEANS):
    return True
  pointwise = all(size == 1 for size in before.shape[1:-1])
  return isinstance(operation, _FLATTENS) and pointwise and len(after.shape) == 2


@tf.custom_gradient  # type: ignore[untyped-decorator]
def tapped(tensor: Tensor) -> Any:
  """[B, ..., C] as it is, and its channel means [B, C].

  The gradient of a mean is constant over space: it is added to the tensor's own as [B, 1, C], and
  never written out over the map, where the maps of all taps would wait for the backward pass.
  """

  def backward(own: Tensor, of_mean: Tensor) -> Tensor:
    space = tf.cast(tf.reduce_prod(tf.shape(tensor)[1:-1]), of_mean.dtype)
    share = tf.cast(of_mean / space, own.dtype)
    return own + tf.reshape(share, [-1, *[1] * (len(tensor.shape) - 2), tensor.shape[-1]])

  return (tf.identity(tensor), channel_mean(tensor)), backward


def channel_mean(tensor: Tensor) -> Tensor:
  """Mean over space of [B, ..., C], float32 [B, C]."""
  mean_axes = list(range(1, len(tensor.shape) - 1))
  return tf.reduce_mean(tf.cast(tensor, tf.float32), axis=mean_axes)  # [B, C]
