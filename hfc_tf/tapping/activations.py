"""What a Keras layer or operation applies last: its activation, by name."""

from __future__ import annotations

from typing import Any

import keras

_LINEAR = "linear"
PROBABILITIES = ("softmax", "sigmoid")
_LAYERS = (
  keras.layers.ReLU,
  keras.layers.LeakyReLU,
  keras.layers.PReLU,
  keras.layers.ELU,
  keras.layers.Softmax,
)
# Functions of keras.ops and keras.activations appear as operations of these class names.
_OPERATIONS = (
  *("relu", "relu6", "leakyrelu", "elu", "selu", "celu", "gelu", "silu", "hardsilu", "mish"),
  *("sigmoid", "hardsigmoid", "logsigmoid", "sparsesigmoid", "softplus", "softsign", "glu"),
  *("softshrink", "hardshrink", "tanhshrink", "tanh", "hardtanh", "threshold", "squareplus"),
  *("sparseplus", "softmax"),
)


def activation_name(operation: Any) -> str:
  """'relu', 'softmax', ... of a layer or operation; 'linear' where it applies none."""
  if isinstance(operation, keras.layers.Wrapper):
    return activation_name(operation.layer)
  for kind in _LAYERS:
    if isinstance(operation, kind):
      return str(kind.__name__).lower()
  activation = getattr(operation, "activation", None)
  if callable(activation):
    return str(getattr(activation, "__name__", type(activation).__name__)).lower()
  name = type(operation).__name__.lower()
  known = name in _OPERATIONS and not isinstance(operation, keras.layers.Layer)
  return name if known else _LINEAR


def is_activation(operation: Any) -> bool:
  """Whether the output is an activation of the network: anything but linear, and no softmax."""
  return activation_name(operation) not in (_LINEAR, "softmax", "log_softmax")


def is_composite(layer: Any) -> bool:
  """Whether a layer may hold activations inside: one that is not Keras's own, or wraps such."""
  return _has_inside(layer) and (_is_foreign(layer) or bool(inner_activations(layer)))


def inner_activations(layer: Any) -> list[tuple[Any, str, str]]:
  """The activations inside a layer: (layer that applies it, attribute called for it, name)."""
  places = []
  for each in [layer, *sublayers(layer)] if _has_inside(layer) else []:
    if each is not layer and is_activation(each):
      places.append((each, "call", str(each.name)))
    elif _is_foreign(each):
      for attribute, value in vars(each).items():
        module = getattr(value, "__module__", None) or ""
        known = module.startswith("keras.") and ".activations" in module
        if known and getattr(value, "__name__", _LINEAR) not in (_LINEAR, "softmax"):
          places.append((each, attribute, str(each.name)))
  return places


def _has_inside(layer: Any) -> bool:
  """Whether what a layer holds is not what it gives, as a wrapped activation is."""
  wrapped = isinstance(layer, keras.layers.Wrapper) and is_activation(layer)
  return isinstance(layer, keras.layers.Layer) and not wrapped


def _is_foreign(layer: Any) -> bool:
  return type(layer).__module__.partition(".")[0] != "keras"


def sublayers(layer: Any) -> list[Any]:
  """The layers that a layer holds as attributes, in lists or dictionaries, at any depth."""
  reached: dict[int, Any] = {id(layer): layer}
  waiting = [layer]
  while waiting:
    for value in vars(waiting.pop()).values():
      for item in keras.tree.flatten(value) if isinstance(value, list | tuple | dict) else [value]:
        if isinstance(item, keras.layers.Layer) and id(item) not in reached:
          reached[id(item)] = item
          waiting.append(item)
  return list(reached.values())[1:]
