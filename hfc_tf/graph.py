"""A functional Keras model as a function from images to logits and channel means."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hfc_tf.engine import FoldedConvolutions
from hfc_tf.errors import InputError
from hfc_tf.walk import PROBABILITIES, Walk, activation_name, channel_mean, functional

Tensor = Any


class Graph:
  """Runs a functional model operation by operation, in inference mode, and taps it.

  Args:
    model: a functional or Sequential model with one image input and one output of classes.
    fold: fold batch normalisation into convolutions, of the weights at the first run; see
      `FoldedConvolutions`.

  Raises:
    InputError: for what it cannot walk through, naming the model or layer.
  """

  def __init__(self, model: Any, fold: bool = False) -> None:
    self._folded = FoldedConvolutions() if fold else None
    graph = functional(model)
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
      nested = functional(operation)
      if nested is None:
        break
      last = nested.outputs[0]
    kind = activation_name(operation)
    dense = isinstance(operation, keras.layers.Dense)
    self._skip = None
    if not dense and kind in PROBABILITIES:
      self._skip = operation
      source = last._keras_history
      before = source.operation._inbound_nodes[source.node_index].input_tensors[0]
      operation = before._keras_history.operation
      dense = isinstance(operation, keras.layers.Dense)
      dense = dense and activation_name(operation) == "linear"
    self._head = operation if dense else None
    units = self._model.outputs[0].shape[-1]
    rank = len(self._model.outputs[0].shape)
    self._single = units == 1
    linear_or_softmax = kind in ("linear", "softmax", "Softmax")
    if rank != 2 or units is None or not (linear_or_softmax or kind in PROBABILITIES):
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
    walk = Walk(self._head, self._skip, self._folded)
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
      walk.means["penultimate"] = channel_mean(walk.head_input)
      walk.penultimate = "penultimate"
    self.penultimate = walk.penultimate or next(reversed(walk.means))
    return logits, walk.means
