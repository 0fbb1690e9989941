"""A functional Keras model as one graph whose every tensor is at hand, run by Keras itself."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import keras

from hfc_tf.errors import InputError
from hfc_tf.tapping.activations import (
  PROBABILITIES,
  activation_name,
  inner_activations,
  is_activation,
)
from hfc_tf.tapping.calls import Apply, Call, Tap, functional
from hfc_tf.tapping.inner import Listening, computes, expanded, is_composite

Tensor = Any


@dataclasses.dataclass(eq=False)
class Node:
  """One call of a layer or operation.

  Attributes:
    name: of the layer or operation.
    operation: the layer or operation itself, the user's.
    inputs: the symbolic tensors that it read, each once.
    output: the symbolic tensor that it gave; nodes of several outputs have one `Node` each.
    means: channel means [B, C] of the output where that is an activation, else None.
    activation: "softmax", "relu", ...; "linear" where the output is taken before an activation.
    apply: the output, of a value for the one input; None for nodes of several inputs or outputs.
  """

  name: str
  operation: Any
  inputs: list[Tensor]
  output: Tensor
  means: Tensor = None
  activation: str = "linear"
  apply: Callable[[Tensor], Tensor] | None = None


@dataclasses.dataclass(eq=False)
class Graph:
  """Symbolic inputs and outputs of a network and every node in between, in order.

  Attributes:
    opaque: names of the layers whose inner activations Keras does not expose.
  """

  inputs: list[Tensor]
  outputs: list[Tensor]
  nodes: list[Node]
  opaque: list[str]

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
  """The graph of a plain functional model on inputs of its own.

  Every node calls the user's layer, in inference mode, from an operation of ours: Keras runs it,
  and the layer's own record of its calls (`layer.output`) stays as it was. Nested models become
  part of the graph; so do layers made of layers, where their `call` can be run symbolically.

  Args:
    model: from `functional`.
    substitute: gives faster forms of a layer's call.

  Raises:
    InputError: for layers that cannot be run or differentiated here.
  """
  tracer = _Tracer(substitute)
  copy = keras.models.clone_model(model, clone_function=lambda x: x, call_function=tracer.call)
  return Graph(list(copy.inputs), list(copy.outputs), tracer.nodes, tracer.opaque)


class _Tracer:
  """What `clone_model` calls in place of each layer."""

  def __init__(self, substitute: Substitute | None) -> None:
    self._substitute = substitute
    self.nodes: list[Node] = []
    self.opaque: list[str] = []
    self._makers: dict[int, Node] = {}

  def call(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
    """The symbolic output of one call."""
    _check(operation)
    inner = self._inner(operation, args, kwargs)
    if inner is not None:
      self.opaque += inner[0].opaque
      return self._inline(*inner, args, operation)
    places = inner_activations(operation) if is_composite(operation) else []
    if places:
      listened = self._listened(operation, places, args, kwargs)
      if listened is not None:
        return listened
      self.opaque.append(operation.name)
    kind = activation_name(operation)
    if kind in PROBABILITIES and callable(getattr(operation, "activation", None)):
      before = self._add(operation, Call(operation, activated=False), args, kwargs)
      return self._add(operation, Apply(operation.activation), (before,), {}, kind)
    inputs = _symbolic((args, kwargs))
    single = len(inputs) == 1 and args and args[0] is inputs[0]
    maker = self._makers.get(id(inputs[0])) if single else None
    faster = self._substitute(operation, maker) if single and self._substitute else None
    if faster:
      form, read = faster
      return self._add(operation, form, tuple(read or inputs), {}, kind)
    return self._add(operation, Call(operation), args, kwargs, kind)

  def _add(
    self, operation: Any, form: Any, args: Any, kwargs: Any, kind: str = "linear"
  ) -> Any:
    """Calls the form of an operation and records it, tapped where it gives an activation."""
    inputs = _symbolic((args, kwargs))

    def apply(value: Tensor) -> Tensor:
      given = keras.tree.map_structure(
        lambda each: value if each is inputs[0] else each, (args, kwargs)
      )
      return form(*given[0], **given[1])

    def record(output: Tensor, apply: Callable[[Tensor], Tensor] | None = None) -> Tensor:
      means = None
      if is_activation(operation) and kind != "linear" and len(output.shape) >= 2:
        output, means = Tap()(output)
      node = Node(operation.name, operation, inputs, output, means, kind, apply)
      self.nodes.append(node)
      self._makers[id(output)] = node
      return output

    outputs = form(*args, **kwargs)
    if isinstance(outputs, keras.KerasTensor):
      return record(outputs, apply if len(inputs) == 1 else None)
    return keras.tree.map_structure(record, outputs)

  def _listened(
    self, operation: Any, places: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
  ) -> Any:
    """The outputs of a layer, whose inner activations are recorded; None where that fails."""
    inputs, listening = _symbolic((args, kwargs)), Listening(operation, places)
    with contextlib.suppress(Exception):  # whatever a stranger's `call` raises when it is traced
      outputs, *means = listening(*args, **kwargs)
      if not means or not (given := _symbolic(outputs)):
        return None
      for name, mean in zip(listening.names, means, strict=True):
        self.nodes.append(Node(name, operation, inputs, given[0], mean, "inner"))
      self.nodes += [Node(operation.name, operation, inputs, output) for output in given]
      return outputs
    return None

  def _inner(
    self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
  ) -> tuple[Graph, Any] | None:
    """What a nested model or a layer made of layers computes, and its outputs' structure."""
    plain = functional(operation)
    if plain is not None and _arranged(args, operation, plain) is not None:
      return trace(plain, self._substitute), operation.output
    if not is_composite(operation) or not args or len(_symbolic((args, kwargs))) != len(args):
      return None
    inner = expanded(operation, list(args), **kwargs)
    if inner is None:
      return None
    graph = trace(inner[0], self._substitute)
    shows = any(node.means is not None for node in graph.nodes)
    return (graph, inner[1]) if shows and computes(graph, operation, kwargs) else None

  def _inline(self, graph: Graph, structure: Any, args: tuple[Any, ...], operation: Any) -> Any:
    """Makes an inner graph part of this one, on the tensors `args`; its outputs."""
    inner = [node.output for node in graph.nodes]
    means = [node.means for node in graph.nodes if node.means is not None]
    function = keras.Function(graph.inputs, [*graph.outputs, *inner, *means])
    given = _arranged(args, operation, graph) or _symbolic(args)
    cast = [
      each if each.dtype == want.dtype else keras.ops.cast(each, want.dtype)
      for each, want in zip(given, graph.inputs, strict=True)
    ]
    results = function(cast)
    outer = {id(each): new for each, new in zip(graph.inputs, given, strict=True)}
    outer |= {id(old): new for old, new in zip(function.outputs, results, strict=True)}
    for node in graph.nodes:
      placed = dataclasses.replace(
        node,
        inputs=[outer[id(each)] for each in node.inputs],
        output=outer[id(node.output)],
        means=None if node.means is None else outer[id(node.means)],
      )
      self.nodes.append(placed)
      self._makers[id(placed.output)] = placed
    outputs = [outer[id(each)] for each in graph.outputs]
    bare = len(outputs) == 1 and isinstance(operation, keras.Model)
    return outputs[0] if bare else keras.tree.pack_sequence_as(structure, outputs)


def _symbolic(structure: Any) -> list[Tensor]:
  """The symbolic tensors in arguments, each once."""
  tensors = {id(x): x for x in keras.tree.flatten(structure) if isinstance(x, keras.KerasTensor)}
  return list(tensors.values())


def _arranged(args: tuple[Any, ...], operation: Any, graph: Any) -> list[Tensor] | None:
  """What a nested model was given, in the order of its inputs; None if that cannot be said."""
  given = args[0] if args else None
  if isinstance(given, dict) and isinstance(operation, keras.Model):
    if isinstance(operation.input, dict):
      given = [given.get(key) for key in sorted(operation.input)]
    else:
      given = [given.get(each.name) for each in operation.inputs]
  tensors = keras.tree.flatten(given)
  fits = len(args) == 1 and len(tensors) == len(graph.inputs)
  return tensors if fits and all(isinstance(x, keras.KerasTensor) for x in tensors) else None


def _check(operation: Any) -> None:
  if isinstance(operation, keras.layers.TFSMLayer):
    raise InputError(
      "layers that Keras can run and differentiate",
      f"{operation.name!r}, a TFSMLayer",
      "load the original Keras model instead of its SavedModel",
    )
  if getattr(operation, "data_format", "channels_last") == "channels_first":
    raise InputError(
      "channels-last layers", f"{operation.name!r} with channels first", "convert the model"
    )
