"""The operations that the nodes of a tapped network call, and models as their plain graphs."""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

Tensor = Any
LOCK = threading.RLock()


def functional(model: Any) -> keras.Model | None:
  """The same graph as a plain functional model; None for what is not functional or Sequential.

  A class or an object with a `call` of its own is not: its graph is not what it computes.
  """
  if not isinstance(model, keras.Model) or "call" in vars(model):
    return None
  try:
    inputs, outputs = model.inputs, model.outputs
    plain = keras.Model(list(inputs), list(outputs))
  except (AttributeError, TypeError, ValueError):  # subclassed, or not built
    return None
  calls = (type(plain).call, keras.Sequential.call)
  return plain if type(model).call in calls else None


def inference(operation: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
  """The keyword arguments of a call, in inference mode."""
  if not isinstance(operation, keras.layers.Layer):
    return kwargs
  accepts = "training" in inspect.signature(operation.call).parameters
  others = {name: value for name, value in kwargs.items() if name != "training"}
  return others | {"training": False} if accepts else others


class Call(keras.Operation):  # type: ignore[misc]
  """A call of a layer or operation in inference mode, with or without its activation."""

  def __init__(self, operation: Any, activated: bool = True) -> None:
    super().__init__()
    self._operation, self._activated = operation, activated

  def call(self, *args: Any, **kwargs: Any) -> Any:
    """What the layer computes."""
    shape = getattr(self._operation, "newshape", None)
    if isinstance(shape, tuple) and shape.count(None) == 1:  # the size of a batch, once unknown
      batch = tf.shape(args[0])[0]
      return keras.ops.reshape(args[0], [batch if size is None else size for size in shape])
    if not self._activated:
      with _without_activation(self._operation):
        return self._operation(*args, **inference(self._operation, kwargs))
    return self._operation(*args, **inference(self._operation, kwargs))

  def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
    """Shapes and types, as the layer tells them."""
    kwargs = {name: value for name, value in kwargs.items() if name != "training"}
    return self._operation.compute_output_spec(*args, **kwargs)


@contextlib.contextmanager
def _without_activation(layer: Any) -> Iterator[None]:
  """While TensorFlow traces the layer's call, it applies no activation."""
  with LOCK:
    activation = layer.activation
    layer.activation = keras.activations.linear
    try:
      yield
    finally:
      layer.activation = activation


class Apply(keras.Operation):  # type: ignore[misc]
  """A function that keeps shape and type."""

  def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
    super().__init__()
    self._function = function

  def call(self, tensor: Tensor) -> Tensor:
    """The function's value."""
    return self._function(tensor)

  def compute_output_spec(self, tensor: Tensor) -> Tensor:
    """The same shape and type."""
    return keras.KerasTensor(tensor.shape, tensor.dtype)


class Tap(keras.Operation):  # type: ignore[misc]
  """A tensor as it is, and its channel means."""

  def call(self, tensor: Tensor) -> Any:
    """The tensor [B, ..., C] and its means [B, C]."""
    return tapped(tensor)

  def compute_output_spec(self, tensor: Tensor) -> Any:
    """Shapes and types."""
    means = keras.KerasTensor((tensor.shape[0], tensor.shape[-1]), "float32")
    return keras.KerasTensor(tensor.shape, tensor.dtype), means


@tf.custom_gradient  # type: ignore[untyped-decorator]
def tapped(tensor: Tensor) -> Any:
  """[B, ..., C] as it is, and its channel means [B, C].

  The gradient of a mean is constant over space: it is added to the tensor's own as [B, 1, C], and
  never written out over the map, where the maps of all taps would wait for the backward pass.
  """

  def backward(of_tensor: Tensor, of_mean: Tensor) -> Tensor:
    space = tf.cast(tf.reduce_prod(tf.shape(tensor)[1:-1]), of_mean.dtype)
    share = tf.cast(of_mean / space, of_tensor.dtype)
    return of_tensor + tf.reshape(share, [-1, *[1] * (len(tensor.shape) - 2), tensor.shape[-1]])

  return (tf.identity(tensor), channel_mean(tensor)), backward


def channel_mean(tensor: Tensor) -> Tensor:
  """Mean over space of [B, ..., C], float32 [B, C]."""
  mean_axes = list(range(1, len(tensor.shape) - 1))
  return tf.reduce_mean(tf.cast(tensor, tf.float32), axis=mean_axes)  # [B, C]
