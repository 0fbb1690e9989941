"""A copy of a network that computes in bfloat16."""

from __future__ import annotations

from typing import Any

import keras

from hfc_tf.errors import InputError
from hfc_tf.tapping.activations import sublayers

_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)


def with_bfloat16_body(model: keras.Model, name: str | None = None) -> keras.Model:
  """A copy that computes in bfloat16 behind its first convolution or dense layer.

  What comes before, and that layer, stay in float32: bfloat16 rounds an image to 1/256 to 1/512,
  which is the size of the perturbations.

  Raises:
    InputError: for a model with layers that Keras cannot copy.
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
