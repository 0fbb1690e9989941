"""A convolution in the form that a CPU computes fastest.

All forms give the same numbers up to rounding. TensorFlow's own is slow where maps are smaller
than kernels (most products are with padding), where points are skipped, and where a gradient has
few channels, as that of an image has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

Tensor = Any
_GROWTH = 4  # by how much a matrix of the whole map may outgrow the kernel
_FEW_CHANNELS = 4
_FEW_POINTS = 64  # in maps of no more, a product of matrices beats a convolution
CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.Conv3D)


class Convolution:
  """What a Conv2D or Conv3D layer computes with another kernel, without bias and activation.

  The kernel is [*sizes, C_in / groups, C_out]; what is derived from one that changes follows by
  `refresh`.
  """

  def __init__(self, layer: Any, kernel: Tensor) -> None:
    self._layer, self._kernel = layer, kernel
    # By the sides of maps; graphs share them.
    self._derived: dict[tuple[int, ...], tuple[tf.Variable, Callable[[], Tensor]]] = {}

  def refresh(self) -> None:
    """Makes again what was derived from the kernel."""
    for variable, make in self._derived.values():
      variable.assign(make())

  def _matrix(self, key: tuple[int, ...], make: Callable[[], Tensor]) -> Tensor:
    """What `make` derives from the kernel, once."""
    if key not in self._derived:
      with tf.init_scope():
        self._derived[key] = tf.Variable(make(), trainable=False), make
    return constant(self._derived[key][0])

  def __call__(self, maps: Tensor) -> Tensor:
    """Maps [B, ..., C_out] of maps [B, ..., C_in]."""
    space, sizes, strides = maps.shape[1:-1], self._kernel.shape[:-2], self._layer.strides
    grouped = maps.shape[-1] != self._kernel.shape[-2]
    skips, dilated = math.prod(strides) > 1, max(self._layer.dilation_rate) > 1
    if None in space or grouped or dilated or (skips and len(space) > 2):
      return self._plain(maps)
    if math.prod(sizes) == 1:
      return self._pointwise(_every(maps, strides) if skips else maps)
    if skips:
      return self._of_image(maps) if maps.shape[-1] <= _FEW_CHANNELS else self._plain(maps)
    small = math.prod(space) ** 2 <= _GROWTH * math.prod(sizes)
    return self._dense(maps) if small and self._layer.padding == "same" else self._plain(maps)

  def _plain(self, maps: Tensor) -> Tensor:
    layer = self._layer
    kernel, strides = constant(self._kernel), list(layer.strides)
    dilation = list(layer.dilation_rate)
    return keras.ops.conv(maps, kernel, strides, layer.padding, "channels_last", dilation)

  def _pointwise(self, maps: Tensor) -> Tensor:
    if math.prod(maps.shape[1:-1]) > _FEW_POINTS:
      return keras.ops.conv(maps, constant(self._kernel), 1, "valid", "channels_last")
    return tf.tensordot(maps, tf.reshape(constant(self._kernel), self._kernel.shape[-2:]), 1)

  def _dense(self, maps: Tensor) -> Tensor:
    """Every point of a map from every other: one matrix [S C_in, S C_out]."""
    shape = maps.shape[1:]
    count = math.prod(shape)

    def make() -> Tensor:
      every = tf.reshape(tf.eye(count, dtype=self._kernel.dtype), [count, *shape])
      return tf.reshape(self._plain(every), [count, -1])

    matrix = self._matrix(tuple(shape), make)
    outputs = tf.matmul(tf.reshape(maps, [-1, matrix.shape[0]]), matrix)
    return tf.reshape(outputs, [-1, *shape[:-1], self._kernel.shape[-1]])

  def _of_image(self, images: Tensor) -> Tensor:
    """Skips points of an image; the gradient of each phase of its pixels is a convolution.

    With y_p = sum_k w_k x_(s p + k - b), s q + r = i + b and j = q - p:

        dL/dx_i = sum_j w_(s j + r) dL/dy_(q - j)
    """
    space, sizes, steps = images.shape[1:-1], self._kernel.shape[:-2], self._layer.strides
    reach = [-(-size // step) for size, step in zip(sizes, steps, strict=True)]  # of j
    kernel = self._matrix((), lambda: _phases(self._kernel, reach, steps))

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def form(images: Tensor) -> Any:
      maps = self._plain(images)
      axes = list(zip(space, maps.shape[1:-1], sizes, steps, strict=True))
      # What "same" pads; with "valid" the last kernel ends within the image.
      added = [max((many - 1) * step + size - side, 0) for side, many, size, step in axes]
      phased = [
        -(-(side + more) // step) for (side, *_, step), more in zip(axes, added, strict=True)
      ]  # of q
      margins = [
        [back - 1, q - p] for back, q, p in zip(reach, phased, maps.shape[1:-1], strict=True)
      ]

      def backward(upstream: Tensor) -> Tensor:
        phases = tf.nn.conv2d(upstream, kernel, 1, [[0, 0], *margins, [0, 0]])
        split = tf.reshape(phases, [-1, *phased, *steps, images.shape[-1]])
        woven = tf.transpose(split, [0, 1, 3, 2, 4, 5])
        sides = [many * step for many, step in zip(phased, steps, strict=True)]
        padded = tf.reshape(woven, [-1, *sides, images.shape[-1]])
        return tf.slice(padded, [0, *(more // 2 for more in added), 0], [-1, *space, -1])

      return maps, backward

    return form(images)


def constant(variable: Tensor) -> Tensor:
  """The value of a variable, of which no gradient is wanted."""
  return tf.stop_gradient(tf.convert_to_tensor(variable))


def _phases(kernel: Tensor, reach: Sequence[int], steps: Sequence[int]) -> Tensor:
  """w_(s j + r), turned: from [h, w, C_in, C_out] to [J, J', C_out, s s' C_in]."""
  sizes, (inputs, outputs) = kernel.shape[:-2], kernel.shape[-2:]
  missing = [[0, many * step - size] for many, step, size in zip(reach, steps, sizes, strict=True)]
  padded = tf.pad(kernel, [*missing, [0, 0], [0, 0]])
  split = tf.reshape(padded, [reach[0], steps[0], reach[1], steps[1], inputs, outputs])
  turned = tf.transpose(tf.reverse(split, [0, 2]), [0, 2, 5, 1, 3, 4])
  return tf.reshape(turned, [*reach, outputs, math.prod(steps) * inputs])


def _every(maps: Tensor, strides: Sequence[int]) -> Tensor:
  """Every s-th point along both axes, in whole runs of memory, unlike a strided slice."""
  space, channels, batch = maps.shape[1:-1], maps.shape[-1], tf.shape(maps)[0]
  sides = [-(-side // step) for side, step in zip(space, strides, strict=True)]
  missing = [[0, n * step - side] for n, step, side in zip(sides, strides, space, strict=True)]
  if any(more for _, more in missing):
    maps = tf.pad(maps, [[0, 0], *missing, [0, 0]])
  pairs = [number for pair in zip(sides, strides, strict=True) for number in pair]
  first = [number for many in sides for number in (many, 1)]
  split = tf.reshape(maps, [batch, *pairs, channels])
  some = tf.slice(split, [0] * (2 * len(sides) + 2), [batch, *first, channels])
  return tf.reshape(some, [batch, *sides, channels])
