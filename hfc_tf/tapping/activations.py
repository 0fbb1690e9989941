"""What a Keras layer or operation applies last: its activation, by name."""

from __future__ import annotations

from typing import Any

import keras

LINEAR = "linear"
PROBABILITIES = ("softmax", "sigmoid")
_LAYERS = {
  keras.layers.ReLU: "relu",
  keras.layers.LeakyReLU: "leakyrelu",
  keras.layers.PReLU: "prelu",
  keras.layers.ELU: "elu",
  keras.layers.Softmax: "softmax",
}
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
  for kind, name in _LAYERS.items():
    if isinstance(operation, kind):
      return name
  activation = getattr(operation, "activation", None)
  if callable(activation):
    return str(getattr(activation, "__name__", type(activation).__name__)).lower()
  name = type(operation).__name__.lower()
  known = name in _OPERATIONS and not isinstance(operation, keras.layers.Layer)
  return name if known else LINEAR


def is_activation(operation: Any) -> bool:
  """Whether the output is an activation of the network: anything but linear, and no softmax."""
  return activation_name(operation) not in (LINEAR, "softmax", "log_softmax")


def inner_activations(layer: Any) -> list[tuple[Any, str, str]]:
  """The activations inside a layer: (layer that applies it, attribute called for it, name)."""
  places = []
  for each in [layer, *sublayers(layer)]:
    if each is not layer and is_activation(each):
      places.append((each, "call", str(each.name)))
    elif type(each).__module__.partition(".")[0] != "keras":
      for attribute, value in vars(each).items():
        module = getattr(value, "__module__", None) or ""
        known = module.startswith("keras.") and ".activations" in module
        if known and getattr(value, "__name__", LINEAR) not in (LINEAR, "softmax"):
          places.append((each, attribute, str(each.name)))
  return places


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
