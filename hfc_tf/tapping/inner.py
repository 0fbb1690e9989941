"""Layers made of layers: what they compute inside, where Keras shows it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hfc_tf.tapping.activations import inner_activations, is_activation
from hfc_tf.tapping.calls import LOCK, Call, inference, tapped

Tensor = Any


def computes(graph: Any, layer: Any, kwargs: dict[str, Any]) -> bool:
  """Whether a graph gives what its layer gives, tried on random tensors."""
  rng = np.random.default_rng(0)
  with contextlib.suppress(Exception):  # whatever a stranger's layer raises
    values = [
      keras.ops.cast(rng.normal(size=[size or 8 for size in each.shape]), each.dtype)
      for each in graph.inputs
    ]
    ours = keras.Function(graph.inputs, graph.outputs)(values)
    theirs = keras.tree.flatten(Call(layer)(*values, **kwargs))
    differences = [
      keras.ops.convert_to_numpy(one - other) for one, other in zip(ours, theirs, strict=True)
    ]
    return all(float(np.abs(each).max()) < 1e-3 for each in differences)
  return False


def is_composite(operation: Any) -> bool:
  """Whether a layer may hold activations inside: one that is not Keras's own, or wraps such."""
  if not isinstance(operation, keras.layers.Layer):
    return False
  if isinstance(operation, keras.layers.Wrapper) and is_activation(operation):
    return False  # its output is the activation
  foreign = type(operation).__module__.partition(".")[0] != "keras"
  return foreign or bool(inner_activations(operation))


def expanded(layer: Any, inputs: list[Tensor], **kwargs: Any) -> tuple[keras.Model, Any] | None:
  """The plain functional model of what a `call` computes on symbolic tensors, and its outputs.

  None where the call does what symbolic tensors cannot.
  """
  with contextlib.suppress(Exception):  # whatever a stranger's `call` raises
    fresh = [keras.Input(batch_shape=each.shape, dtype=each.dtype) for each in inputs]
    outputs = layer.call(*fresh, **inference(layer, kwargs))
    return keras.Model(fresh, keras.tree.flatten(outputs)), outputs
  return None


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

    def listen(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
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

    with LOCK, contextlib.ExitStack() as restore:
      for layer, attribute, name in self._places:
        function = getattr(layer, attribute)
        if attribute == "call":  # of the class: the object has none of its own afterwards
          restore.callback(vars(layer).pop, "call", None)
        else:
          restore.callback(setattr, layer, attribute, function)
        setattr(layer, attribute, listen(name, function))
      output = self._layer(*args, **inference(self._layer, kwargs))
    return [output, *means]
