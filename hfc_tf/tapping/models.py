"""A model in other forms: as a plain graph, as a flat one, and as a copy in bfloat16."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from hfc_tf.errors import InputError
from hfc_tf.tapping.activations import inner_activations, is_activation, is_composite, sublayers
from hfc_tf.tapping.calls import Call, inference

Tensor = Any
_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


def plain(model: Any) -> keras.Model | None:
  """The functional model that computes what a model does; a `call` of its own is followed."""
  graph = functional(model)
  if graph is None and isinstance(model, keras.Model):
    inputs = getattr(model, "inputs", None) or []
    graph = expanded(model, inputs) if len(inputs) == 1 else None
  return graph


def functional(model: Any) -> keras.Model | None:
  """The same graph as a plain functional model; None for what is not functional or Sequential.

  A class or an object with a `call` of its own is not: its graph is not what it computes.
  """
  if not isinstance(model, keras.Model) or "call" in vars(model):
    return None
  try:
    graph = keras.Model(list(model.inputs), list(model.outputs))
  except (AttributeError, TypeError, ValueError):  # subclassed, or not built
    return None
  return graph if type(model).call in (type(graph).call, keras.Sequential.call) else None


def expanded(layer: Any, inputs: list[Tensor], **kwargs: Any) -> keras.Model | None:
  """What a `call` computes on symbolic tensors; None where it does what these cannot."""
  with contextlib.suppress(Exception):  # whatever a stranger's `call` raises
    fresh = [keras.Input(batch_shape=each.shape, dtype=each.dtype) for each in inputs]
    outputs = layer.call(*fresh, **inference(layer, kwargs))
    return keras.Model(fresh, keras.tree.flatten(outputs))
  return None


def cloned(model: keras.Model, call: Callable[..., Any]) -> keras.Model:
  """The same graph on inputs of its own, where `call` stands for every call of an operation."""
  return keras.models.clone_model(model, clone_function=lambda x: x, call_function=call)


def flat(model: keras.Model) -> keras.Model:
  """The same graph of `Call`s; the graphs of nested models and composite layers are part of it."""

  def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
    _check(operation)
    nested = functional(operation)
    given = None if nested is None else _arranged(args, operation, nested)
    graph = _composite(operation, args, kwargs) if given is None else flat(nested)
    if graph is None:
      return Call(operation)(*args, **kwargs)
    cast = [
      each if each.dtype == want.dtype else keras.ops.cast(each, want.dtype)
      for each, want in zip(given or args, graph.inputs, strict=True)
    ]
    return keras.Function(graph.inputs, graph.outputs).call(cast)

  return cloned(model, call)


def _composite(layer: Any, args: tuple[Any, ...], kwargs: Any) -> keras.Model | None:
  """The flat graph of a layer made of layers; None where it shows no activation or errs."""
  if not is_composite(layer) or not args or len(symbolic((args, kwargs))) != len(args):
    return None
  inner = expanded(layer, list(args), **kwargs)
  if inner is None:
    return None
  graph = flat(inner)
  operations = [each.operation for each in graph.operations if isinstance(each, Call)]
  shows = any(is_activation(each) or inner_activations(each) for each in operations)
  return graph if shows and _computes(graph, layer, kwargs) else None


def _computes(graph: keras.Model, layer: Any, kwargs: dict[str, Any]) -> bool:
  """Whether a graph gives what its layer gives, tried on random tensors."""
  rng = np.random.default_rng(0)
  with contextlib.suppress(Exception):  # whatever a stranger's layer raises
    values = [
      keras.ops.cast(rng.normal(size=[size or 8 for size in each.shape]), each.dtype)
      for each in graph.inputs
    ]
    ours = keras.Function(graph.inputs, graph.outputs)(values)
    theirs = keras.tree.flatten(Call(layer)(*values, **kwargs))
    pairs = zip(ours, theirs, strict=True)
    return all(float(keras.ops.max(keras.ops.abs(one - other))) < 1e-3 for one, other in pairs)
  return False


def symbolic(structure: Any) -> list[Tensor]:
  """The symbolic tensors in arguments, each once."""
  tensors = {id(x): x for x in keras.tree.flatten(structure) if isinstance(x, keras.KerasTensor)}
  return list(tensors.values())


def _arranged(args: tuple[Any, ...], operation: Any, nested: keras.Model) -> list[Tensor] | None:
  """What a nested model was given, in the order of its inputs; None if that cannot be said."""
  given = args[0] if args else None
  if isinstance(given, dict) and isinstance(operation.input, dict):
    given = [given.get(key) for key in sorted(operation.input)]
  elif isinstance(given, dict):
    given = [given.get(each.name) for each in operation.inputs]
  tensors = keras.tree.flatten(given)
  fits = len(args) == 1 and len(tensors) == len(nested.inputs)
  return tensors if fits and all(isinstance(x, keras.KerasTensor) for x in tensors) else None


def _check(operation: Any) -> None:
  if isinstance(operation, keras.layers.TFSMLayer):
    remedy = "load the original Keras model instead of its SavedModel"
    actual = f"{operation.name!r}, a TFSMLayer"
    raise InputError("layers that Keras can run and differentiate", actual, remedy)
  if getattr(operation, "data_format", "channels_last") == "channels_first":
    actual = f"{operation.name!r} with channels first"
    raise InputError("channels-last layers", actual, "convert the model")


def with_bfloat16_body(model: keras.Model, name: str | None = None) -> keras.Model:
  """A copy that computes in bfloat16 behind its first convolution or dense layer.

  What comes before, and that layer, stay in float32: bfloat16 rounds an image to 1/256 to 1/512,
  which is the size of the perturbations. An InputError refuses layers that Keras cannot copy.
  """
  policy = "float32"

  def copy(layer: Any) -> Any:
    nonlocal policy
    config = layer.get_config()
    if "dtype" in config and not isinstance(layer, keras.layers.InputLayer):
      config["dtype"] = policy
    if isinstance(layer, (*_CONVOLUTIONS, keras.layers.Dense)):
      policy = "mixed_bfloat16"
    return type(layer).from_config(config)

  try:
    copied = keras.models.clone_model(model, clone_function=copy, recursive=True)
    copy_weights(model, copied)
  except (TypeError, ValueError, NotImplementedError) as error:
    raise InputError(
      "a model whose layers can be copied (get_config and from_config)",
      f"{name or model.name}: {error}",
      "use --precision=float32",
    ) from error
  return copied


def copy_weights(model: keras.Model, copied: keras.Model) -> None:
  """Gives the copy the model's weights, and what preprocessing layers derive from theirs."""
  copied.set_weights(model.get_weights())
  for layer in sublayers(copied):
    if isinstance(layer, keras.layers.Normalization) and layer.built:
      layer.finalize_state()
