"""A functional Keras model as one flat graph whose every tensor is at hand, run by Keras itself."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import keras

from hfc_tf.tapping.activations import (
  PROBABILITIES,
  activation_name,
  inner_activations,
  is_activation,
)
from hfc_tf.tapping.calls import Call, Listening, Tap
from hfc_tf.tapping.models import cloned, flat, symbolic

Tensor = Any


@dataclasses.dataclass(eq=False)
class Node:
  """One call of a layer or operation; of several outputs, one `Node` each."""

  operation: Any  # the user's
  name: str  # of the operation, or of a layer in it
  inputs: list[Tensor]  # symbolic, each once
  output: Tensor  # symbolic
  means: Tensor  # channel means [B, C] of the output where that is an activation, else None
  number: int  # where it stands among the nodes


@dataclasses.dataclass(eq=False)
class Graph:
  """Symbolic inputs and outputs of a network and every node in between, in order."""

  inputs: list[Tensor]
  outputs: list[Tensor]
  nodes: list[Node]
  opaque: list[str]  # names of the layers whose inner activations Keras does not expose

  def producer(self, tensor: Tensor) -> Node | None:
    """The node that gave a tensor; None for an input."""
    return next((node for node in reversed(self.nodes) if node.output is tensor), None)

  def ancestors(self, tensor: Tensor) -> list[Node]:
    """The nodes that a tensor depends on, in order, that of the tensor last."""
    needed = {id(tensor)}
    chosen = []
    for node in reversed(self.nodes):
      if id(node.output) in needed:
        needed.update(id(each) for each in node.inputs)
        chosen.append(node)
    return chosen[::-1]


# Makes the operation that computes a layer's call in another form, or None: (layer, node) where
# `node` is what gave the layer's input, None if that is not one tensor of one node.
Substitute = Callable[[Any, Node | None], tuple[keras.Operation, list[Tensor]] | None]


def trace(model: keras.Model, substitute: Substitute | None = None) -> Graph:
  """The graph of a model from `plain`, on inputs of its own, in the faster forms of `substitute`.

  Every node calls the user's layer, in inference mode, from an operation of ours: Keras runs it,
  and the layer's own record of its calls (`layer.output`) stays as it was. An InputError refuses
  layers that cannot be run or differentiated here.
  """
  tracer = _Tracer(substitute)
  copy = cloned(flat(model), tracer.call)
  nodes = sorted(tracer.nodes, key=lambda node: node.number)
  return Graph(list(copy.inputs), list(copy.outputs), nodes, tracer.opaque)


class _Tracer:
  """Records the calls of a flat graph, with taps, in faster forms where there are some."""

  def __init__(self, substitute: Substitute | None) -> None:
    self._substitute = substitute
    self.nodes: list[Node] = []
    self.opaque: list[str] = []
    self._makers: dict[int, Node] = {}

  def call(self, form: Any, *args: Any, **kwargs: Any) -> Any:
    """The symbolic outputs of one call."""
    inputs = symbolic((args, kwargs))
    makers = [self._makers[id(each)] for each in inputs if id(each) in self._makers]
    operation, number = form, max((each.number for each in makers), default=-1)
    if isinstance(form, Call):
      operation, number = form.operation, form.number
    places = inner_activations(operation)
    if places:
      outputs = self._listened(operation, places, args, kwargs, number)
      if outputs:
        return outputs
      self.opaque.append(operation.name)
    kind = activation_name(operation)
    if kind in PROBABILITIES and callable(getattr(operation, "activation", None)):
      outputs = Call(operation, activated=False)(*args, **kwargs)
      (before,) = self._record(operation, inputs, outputs, number)
      name = f"probabilities_{number}"  # of no series that names of the user's layers belong to
      form = keras.layers.Activation(operation.activation, dtype=before.dtype, name=name)
      inputs, args, kwargs = [before], (before,), {}
    elif self._substitute and len(inputs) == 1 and args and args[0] is inputs[0]:
      faster = self._substitute(operation, makers[0] if makers else None)
      if faster:
        form, inputs = faster[0], faster[1] or inputs
        args, kwargs = tuple(inputs), {}
    outputs = form(*args, **kwargs)
    return self._record(operation, inputs, outputs, number, is_activation(operation))

  def _record(
    self, operation: Any, inputs: list[Tensor], outputs: Any, number: int, tap: bool = False
  ) -> list[Tensor]:
    """The outputs of a call, tapped where they are activations."""
    recorded = []
    for output in keras.tree.flatten(outputs):
      output, means = Tap()(output) if tap and len(output.shape) >= 2 else (output, None)
      node = Node(operation, operation.name, inputs, output, means, number)
      self.nodes.append(node)
      self._makers[id(output)] = node
      recorded.append(output)
    return recorded

  def _listened(
    self, layer: Any, places: list[Any], args: Any, kwargs: dict[str, Any], number: int
  ) -> list[Tensor]:
    """The outputs of a layer, whose inner activations are recorded; none where that fails."""
    inputs, listening = symbolic((args, kwargs)), Listening(layer, places)
    with contextlib.suppress(Exception):  # whatever a stranger's `call` raises when it is traced
      outputs, *means = listening(*args, **kwargs)
      given = symbolic(outputs)
      if means and given:
        for name, mean in zip(listening.names, means, strict=True):
          self.nodes.append(Node(layer, name, inputs, given[0], mean, number))
        return self._record(layer, inputs, given, number)
    return []
