"""The operations that the nodes of a tapped network call."""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

Tensor = Any
_LOCK = threading.RLock()  # of layers whose functions are replaced


def inference(operation: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
  """The keyword arguments of a call, in inference mode."""
  if not isinstance(operation, keras.layers.Layer):
    return kwargs
  accepts = "training" in inspect.signature(operation.call).parameters
  others = {name: value for name, value in kwargs.items() if name != "training"}
  return others | {"training": False} if accepts else others


class Call(keras.Operation):  # type: ignore[misc]
  """A call of a layer or operation in inference mode, with or without its activation."""

  _counter = itertools.count()

  def __init__(self, operation: Any, activated: bool = True) -> None:
    super().__init__()
    self.operation, self._activated = operation, activated
    self.number = next(self._counter)

  def call(self, *args: Any, **kwargs: Any) -> Any:
    """What the layer computes."""
    shape = getattr(self.operation, "newshape", None)
    if isinstance(shape, tuple) and shape.count(None) == 1:  # the size of a batch, once unknown
      batch = tf.shape(args[0])[0]
      return keras.ops.reshape(args[0], [batch if size is None else size for size in shape])
    kwargs = inference(self.operation, kwargs)
    if self._activated:
      return self.operation(*args, **kwargs)
    with _LOCK, _replaced(self.operation, "activation", keras.activations.linear):
      return self.operation(*args, **kwargs)

  def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
    """Shapes and types, as the layer tells them."""
    kwargs = {name: value for name, value in kwargs.items() if name != "training"}
    return self.operation.compute_output_spec(*args, **kwargs)


class Listening(keras.Operation):  # type: ignore[misc]
  """A call of a layer that also gives the channel means of the activations of layers inside it.

  For layers whose `call` no symbolic tensor can follow. While TensorFlow traces the call, that of
  each inner layer taps its output.
  """

  def __init__(self, layer: Any, places: list[tuple[Any, str, str]]) -> None:
    super().__init__()
    self._layer, self._places = layer, places
    self.names: list[str] = []  # of the inner calls, in order

  def call(self, *args: Any, **kwargs: Any) -> list[Any]:
    """What the layer computes, then the means [B, C] of each inner call in order."""
    means: list[Tensor] = []
    self.names = []
    outside = tf.compat.v1.get_default_graph()

    def listening(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
      @functools.wraps(function)
      def listened(*args: Any, **kwargs: Any) -> Any:
        output = function(*args, **kwargs)
        if tf.compat.v1.get_default_graph() is not outside:  # in a loop, which keeps its tensors
          return output
        output, mean = tapped(output)
        self.names.append(name)
        means.append(mean)
        return output

      return listened

    with _LOCK, contextlib.ExitStack() as stack:
      for layer, attribute, name in self._places:
        function = listening(name, getattr(layer, attribute))
        stack.enter_context(_replaced(layer, attribute, function))
      output = self._layer(*args, **inference(self._layer, kwargs))
    return [output, *means]


@contextlib.contextmanager
def _replaced(layer: Any, attribute: str, function: Callable[..., Any]) -> Iterator[None]:
  """While TensorFlow traces a call, a layer has another function."""
  before = vars(layer).get(attribute)  # None: the function is that of the class
  setattr(layer, attribute, function)
  try:
    yield
  finally:
    if before is None:
      vars(layer).pop(attribute)
    else:
      setattr(layer, attribute, before)


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
  """[B, ..., C] as it is, and its channel means, float32 [B, C].

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
  return tf.reduce_mean(tf.cast(tensor, tf.float32), axis=list(range(1, len(tensor.shape) - 1)))
