"""What a network must be, and what it gives on random images."""

from __future__ import annotations

import contextlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hfc_tf.errors import InputError
from hfc_tf.tapping.activations import sublayers
from hfc_tf.tapping.graph import Graph

Array = np.ndarray[Any, Any]
_BYTE_SCALE, _BYTE_MEAN = 1 / 60, 2.0  # of Rescaling and Normalization that read 0 to 255
_SIZES = (64, 128, 224, 32)  # of random images where the network takes any


def check_ends(model: keras.Model, name: str) -> None:
  """Raises unless a model has one input of images and one output of classes."""
  for kind, ends in (("input", model.inputs), ("output", model.outputs)):
    if len(ends) != 1:
      remedy = f"wrap it in keras.Model with one {kind}"
      raise InputError(f"a model with one {kind}", f"{name} with {len(ends)} {kind}s", remedy)
  shape, output = tuple(model.inputs[0].shape[1:]), tuple(model.outputs[0].shape)
  if len(shape) not in (3, 4) or shape[-1] is None:
    raise InputError(
      "an input of shape (H, W, C) or (D, H, W, C)",
      f"{name} with input {shape}",
      "only image and volume classifiers can be tapped",
    )
  if len(output) != 2 or output[-1] is None:
    raise InputError(
      "an output of shape (N, classes): logits, softmax or one sigmoid unit",
      f"{name} with output {output}",
      "end the model in a Dense layer with one unit a class",
    )


def model_outputs(model: Any, images: Array) -> Array:
  """The output [N, K] of a user's model in inference mode."""
  with contextlib.suppress(AttributeError):  # a Sequential model takes its input as it is
    images = keras.tree.pack_sequence_as(model.input, [images])
  outputs = keras.tree.flatten(model(images, training=False))[0]
  return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32")), np.float64)


def random_images(
  graph: Graph, shape: tuple[int | None, ...], dtype: str, highest: float
) -> Array:
  """Noise of several contrasts in the range that the network reads, [4, ...]."""
  rng = np.random.default_rng(0)
  for size in _SIZES:
    images = rng.random((4, *(side or size for side in shape)))
    images[1:] *= np.array([1.0, 0.5, 0.2]).reshape(3, *[1] * len(shape))
    images[1] = (images[1] > 0.5) * images[0].mean()
    images *= highest
    images = (np.rint(images) if "int" in dtype else images).astype(np.float32)
    try:
      keras.Function(graph.inputs, graph.outputs)([images])
    except (ValueError, tf.errors.OpError) as error:
      problem = error
    else:
      return images
  raise InputError(
    "a network that runs on random images of its input shape",
    " ".join(str(problem).split())[:300],
    "give the model an input of fixed size",
  )


def is_coarse(model: keras.Model) -> bool:
  """Whether any layer computes in fewer than 32 bits."""
  return any(
    layer.compute_dtype in ("float16", "bfloat16") or getattr(layer, "quantization_mode", None)
    for layer in sublayers(model)
  )


def reads_bytes(graph: Graph) -> bool:
  """Whether what stands before the first layer with a kernel is made for 0 to 255."""
  tensor = graph.inputs[0]
  if "int" in str(tensor.dtype):
    return True
  for node in graph.nodes:
    if node.inputs != [tensor]:
      continue
    layer = node.operation
    if isinstance(layer, keras.layers.Rescaling):
      return bool(np.max(np.abs(layer.scale)) < _BYTE_SCALE)
    if isinstance(layer, keras.layers.Normalization):
      return bool(np.max(keras.ops.convert_to_numpy(layer.mean)) > _BYTE_MEAN)
    if getattr(layer, "trainable_weights", None):
      return False
    tensor = node.output
  return False


def refuse_others(what: str, name: str, given: Array, ours: Array, tolerance: float) -> None:
  """Raises unless the probabilities or logits [N, K] that taps give are those of the model."""
  errors = np.abs(ours - given).max(1)  # [N]
  if not errors.max() <= tolerance:
    row = int(errors.argmax())
    expected, ours_there = (
      "[" + " ".join(f"{value:.4f}" for value in values[row][:6]) + "]" for values in (given, ours)
    )
    raise InputError(
      f"taps that give the {what} of {name}, {expected}",
      f"{ours_there}, {errors[row]:.2g} off",
      "rebuild the model from layers of Keras",
    )
