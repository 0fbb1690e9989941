"""Where the logits of a network are, and the affine map that ends it: at tensors, by their values.

Whatever class of layer makes probabilities, and whatever stands behind it, the tensor whose softmax
(sigmoid) the output equals on random images is that of the logits.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from scipy.special import expit, softmax

from hfc_tf.errors import InputError
from hfc_tf.tapping.activations import activation_name
from hfc_tf.tapping.calls import channel_mean
from hfc_tf.tapping.graph import Graph, Node

Array = np.ndarray[Any, Any]
Tensor = Any
_MOST_PROBED = 32768  # width of z up to which the head is read by unit vectors
_BLOCK = 1024


@dataclasses.dataclass(eq=False)
class Head:
  """The end of a network."""

  logits: Tensor  # symbolic, [B, K], or [B, 1] of a single unit
  single: bool  # whether there is one unit, whose logit z stands for [0, z]
  # Symbolic z(x), [B, C] or [B, 1, 1, C], of which the logits are an affine function; None where
  # they are not, or z is a map.
  penultimate: Tensor
  source: Node | None  # the tapped node that has the channel means of z(x)


def find_head(graph: Graph, images: Any, name: str, tolerance: float) -> Head:
  """The logits behind the one output [B, K] of a graph, found on random images [N, ...].

  Raises:
    InputError: for multi-label heads, and outputs that are neither logits nor probabilities (within
      the tolerance) whose logits are a tensor of the network.
  """
  output = graph.outputs[0]
  units = output.shape[-1]
  nodes = [node for node in graph.ancestors(output) if _is_row(node.output, units)]
  result, *values = (
    np.asarray(keras.ops.convert_to_numpy(value), np.float64).reshape(len(images), -1)
    for value in keras.Function(graph.inputs, [output, *(node.output for node in nodes)])([images])
  )
  if not np.isfinite(result).all():
    raise InputError("finite outputs", f"NaN or infinity from {name}", "check the model's weights")

  def equal(value: Array) -> bool:
    return np.allclose(value, result, rtol=0, atol=tolerance)

  def inverse(function: Callable[[Array], Array]) -> Tensor | None:
    """The last tensor of which the output is this function."""
    pairs = zip(nodes[::-1], values[::-1], strict=True)
    return next((n.output for n, v in pairs if equal(function(v)) and not equal(v)), None)

  def refused(what: str) -> InputError:
    return InputError(
      "an output of shape (N, classes): logits, softmax or one sigmoid unit",
      f"{name} with {what}",
      "end the model in a Dense layer with one unit a class",
    )

  # What made the values of the output, whatever passed them on.
  pairs = zip(nodes, values, strict=True)
  end = next((node for node, value in pairs if np.array_equal(value, result)), None)
  kind = "linear" if end is None else activation_name(end.operation)
  within = bool((result >= -tolerance).all() and (result <= 1 + tolerance).all())
  sums = units > 1 and np.allclose(result.sum(1), 1, rtol=0, atol=max(1e-3, tolerance))
  logits = None
  if within and (units == 1 or sums):
    logits = inverse(expit if units == 1 else lambda value: softmax(value, 1))
  if logits is None:
    logits = output
    if units == 1:
      weights = end is not None and getattr(end.operation, "weights", None)
      if kind != "linear" or (within and not weights):
        raise refused(f"one unit that ends in {kind} and no tensor of it is its logit")
    elif within and sums:
      raise refused("rows that are probabilities: a softmax that could not be unwrapped")
    elif within and inverse(expit) is not None:
      raise InputError(
        "one label an image (softmax, logits, or a single sigmoid unit)",
        f"{name} with {units} sigmoid units: a multi-label classifier",
        "attack one finding at a time with a single-unit head",
      )
    elif kind not in ("linear", "log_softmax"):
      raise refused(f"{units} units ending in {kind}")
  return Head(logits, units == 1, *_penultimate(graph, logits))


def affine(head: Head) -> tuple[Array, Array] | None:
  """Kernel [C, K] and bias [K], float32, read from the network: f(0), and f of unit vectors."""
  if head.penultimate is None or head.penultimate.shape[-1] > _MOST_PROBED:
    return None
  width = head.penultimate.shape[-1]
  function = keras.Function(head.penultimate, head.logits)

  def values(rows: Array) -> Array:
    shape = (-1, *head.penultimate.shape[1:])
    result = function(keras.ops.reshape(keras.ops.cast(rows, head.penultimate.dtype), shape))
    result = keras.ops.convert_to_numpy(keras.ops.cast(result, "float32"))
    return np.asarray(result, np.float64).reshape(len(rows), -1)

  bias = values(np.zeros((1, width), np.float32))[0]
  kernel = np.concatenate(
    [
      values(np.eye(min(_BLOCK, width - start), width, start, np.float32)) - bias
      for start in range(0, width, _BLOCK)
    ]
  )
  if head.single:
    kernel = np.concatenate([np.zeros_like(kernel), kernel], 1)
    bias = np.concatenate([np.zeros_like(bias), bias])
  return kernel.astype(np.float32), bias.astype(np.float32)


def _penultimate(graph: Graph, logits: Tensor) -> tuple[Tensor, Node | None]:
  """z(x), the input of the last layer with weights, if only affine maps follow, and its source."""
  tensor, weights = logits, None
  while not weights:
    node = graph.producer(tensor)
    if node is None or len(node.inputs) != 1 or node.means is not None:
      return None, None
    tensor, weights = node.inputs[0], getattr(node.operation, "weights", None)
  if tensor.shape[-1] is None or not _is_row(tensor, tensor.shape[-1]):
    return None, None
  node = graph.producer(tensor)
  while node is not None and node.means is None and _keeps_means(node):
    node = graph.producer(node.inputs[0])
  return tensor, None if node is None or node.means is None else node


def _keeps_means(node: Node) -> bool:
  """Whether the output's channel means are those of the single input, tried on random values."""
  if len(node.inputs) != 1 or getattr(node.operation, "weights", None):
    return False
  before, after = node.inputs[0], node.output
  if len(before.shape) < 2 or len(after.shape) < 2 or before.shape[-1] != after.shape[-1]:
    return False
  sizes = [2, *(size or 8 for size in before.shape[1:])]
  with contextlib.suppress(Exception):  # whatever a stranger's layer raises
    values = keras.ops.cast(np.random.default_rng(0).normal(0, 100, sizes), before.dtype)
    means = channel_mean(keras.Function(before, after)(values))
    rtol = 0 if after.dtype == "float32" else 2**-8  # the rounding of bfloat16
    return bool(np.allclose(means, channel_mean(values), rtol=rtol, atol=1e-3))
  return False


def _is_row(tensor: Tensor, units: int) -> bool:
  """Whether a tensor holds `units` numbers an image: [B, K] or [B, 1, 1, K]."""
  sizes = tensor.shape[1:]
  return bool(sizes) and None not in sizes and sizes[-1] == math.prod(sizes) == units
