"""Where the logits of a network are, and the affine map that ends it: at tensors, by their values.

Whatever class of layer makes probabilities, and whatever stands behind it, the tensor whose softmax
(sigmoid) the output equals on random images is that of the logits.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import keras
import numpy as np
from scipy.special import expit, softmax

from hfc_tf.errors import InputError
from hfc_tf.tapping.activations import activation_name
from hfc_tf.tapping.graph import Graph, Node

Array = np.ndarray[Any, Any]
Tensor = Any
_MOST_PROBED = 32768  # width of z up to which the head is read by unit vectors
_BLOCK = 1024
_KEEP_MEANS = (  # layers whose output has the channel means of their input
  keras.layers.Dropout,
  keras.layers.SpatialDropout1D,
  keras.layers.SpatialDropout2D,
  keras.layers.SpatialDropout3D,
  keras.layers.GaussianDropout,
  keras.layers.GaussianNoise,
  keras.layers.AlphaDropout,
  keras.layers.ActivityRegularization,
  keras.layers.Identity,
  keras.layers.GlobalAveragePooling1D,
  keras.layers.GlobalAveragePooling2D,
  keras.layers.GlobalAveragePooling3D,
)
_FLATTEN = (keras.layers.Flatten, keras.layers.Reshape)


@dataclasses.dataclass(eq=False)
class Head:
  """The end of a network.

  Attributes:
    logits: symbolic, [B, K], or [B, 1] of a single unit.
    single: whether there is one unit, whose logit z stands for [0, z].
    penultimate: symbolic z(x), [B, C] or [B, 1, 1, C], of which the logits are an affine function;
      None where they are not, or z is a map.
    source: the tapped node that has the channel means of z(x), if there is one.
    chain: the nodes from z(x) to the logits, in order.
  """

  logits: Tensor
  single: bool
  penultimate: Tensor = None
  source: Node | None = None
  chain: tuple[Node, ...] = ()


def find_head(graph: Graph, images: Any, name: str, tolerance: float) -> Head:
  """The logits behind the one output of a graph.

  Args:
    graph: with one output [B, K].
    images: what the network reads, random, [N, ...].
    name: of the model, for messages.
    tolerance: of probabilities.

  Raises:
    InputError: for multi-label heads, and outputs that are neither logits nor probabilities whose
      logits are a tensor of the network.
  """
  output = graph.outputs[0]
  nodes = [node for node in graph.ancestors(output) if _is_row(node.output, output.shape[-1])]
  tensors = [node.output for node in nodes]
  values = [
    np.asarray(keras.ops.convert_to_numpy(value), np.float64).reshape(len(images), -1)
    for value in keras.Function(graph.inputs, [output, *tensors])([images])
  ]
  result, candidates = values[0], dict(zip(map(id, tensors), values[1:], strict=True))
  if not np.isfinite(result).all():
    raise InputError("finite outputs", f"NaN or infinity from {name}", "check the model's weights")

  def inverse(function: Any) -> Tensor | None:
    """The last tensor of which the output is this function."""
    for tensor in reversed(tensors):
      value = candidates[id(tensor)]
      if np.allclose(function(value), result, rtol=0, atol=tolerance) and not np.allclose(
        value, result, rtol=0, atol=tolerance
      ):
        return tensor
    return None

  units = output.shape[-1]
  end = _last_operation(graph, output, candidates)
  kind = "linear" if end is None else activation_name(end.operation)
  within = bool((result >= -tolerance).all() and (result <= 1 + tolerance).all())
  if units == 1:
    logits = inverse(expit) if within else None
    weights = end is not None and getattr(end.operation, "weights", None)
    if logits is None and (kind != "linear" or (within and not weights)):
      raise _refused(name, f"one unit that ends in {kind} and no tensor of it is its logit")
    return _with_penultimate(graph, Head(output if logits is None else logits, True))
  sums = within and np.allclose(result.sum(1), 1, rtol=0, atol=max(1e-3, tolerance))
  logits = inverse(lambda value: softmax(value, 1)) if sums else None
  if sums and logits is None:
    raise _refused(name, "rows that are probabilities: a softmax that could not be unwrapped")
  if logits is None and within and inverse(expit) is not None:
    raise InputError(
      "one label an image (softmax, logits, or a single sigmoid unit)",
      f"{name} with {units} sigmoid units: a multi-label classifier",
      "attack one finding at a time with a single-unit head",
    )
  if logits is None and kind not in ("linear", "log_softmax"):
    raise _refused(name, f"{units} units ending in {kind}")
  return _with_penultimate(graph, Head(output if logits is None else logits, False))


def affine(head: Head) -> tuple[Array, Array] | None:
  """Kernel [C, K] and bias [K], float32, read from the network: f(0), and f of unit vectors."""
  if head.penultimate is None or head.penultimate.shape[-1] > _MOST_PROBED:
    return None
  width = head.penultimate.shape[-1]

  def values(rows: Array) -> Array:
    shape = (-1, *head.penultimate.shape[1:])
    tensor = keras.ops.reshape(keras.ops.cast(rows, head.penultimate.dtype), shape)
    for node in head.chain:
      assert node.apply is not None
      tensor = node.apply(tensor)
    result = keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))
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


def _with_penultimate(graph: Graph, head: Head) -> Head:
  """Looks for z(x): the input of the last layer with weights, if only affine maps follow."""
  tensor, chain = head.logits, []
  while True:
    node = graph.producer(tensor)
    if node is None or node.apply is None or node.means is not None:
      return head
    chain.append(node)
    tensor = node.inputs[0]
    if getattr(node.operation, "weights", None):
      break
  if tensor.shape[-1] is None or not _is_row(tensor, tensor.shape[-1]):
    return head
  head.penultimate, head.chain = tensor, tuple(chain[::-1])
  node = graph.producer(tensor)
  while node is not None and node.means is None and _keeps_means(node):
    node = graph.producer(node.inputs[0])
  head.source = None if node is None or node.means is None else node
  return head


def _keeps_means(node: Node) -> bool:
  """Whether the output's channel means are those of the single input."""
  if len(node.inputs) != 1:
    return False
  if type(node.operation) in _KEEP_MEANS:
    return True
  before, after = node.inputs[0], node.output
  rows = all(_is_row(tensor, before.shape[-1]) for tensor in (before, after))
  return type(node.operation) in _FLATTEN and rows


def _last_operation(graph: Graph, output: Tensor, values: dict[int, Array]) -> Node | None:
  """The node that made the values of the output, whatever passed them on."""
  node = graph.producer(output)
  while node is not None and len(node.inputs) == 1:
    before, after = values.get(id(node.inputs[0])), values.get(id(node.output))
    if before is None or after is None or not np.array_equal(before, after):
      break
    node = graph.producer(node.inputs[0])
  return node


def _is_row(tensor: Tensor, units: int) -> bool:
  """Whether a tensor holds `units` numbers an image: [B, K] or [B, 1, 1, K]."""
  sizes = tensor.shape[1:]
  return bool(sizes) and None not in sizes and sizes[-1] == math.prod(sizes) == units


def _refused(name: str, what: str) -> InputError:
  return InputError(
    "an output of shape (N, classes): logits, softmax or one sigmoid unit",
    f"{name} with {what}",
    "end the model in a Dense layer with one unit a class",
  )
