"""Floating-point operations of a network's convolutions."""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import keras


class Convolution(NamedTuple):
  """The shape of one convolution: sides in pixels, `kernel` [h, w, in, out]."""

  inputs: tuple[int, int]
  outputs: tuple[int, int]
  kernel: tuple[int, int, int, int]
  stride: int
  padding: str

  @property
  def flops(self) -> int:
    """2 H' W' h w C_in C_out for one image, a product and a sum each."""
    return 2 * math.prod(self.outputs) * math.prod(self.kernel)


def convolutions(model: keras.Model) -> Counter[Convolution]:
  """How often each convolution occurs in a functional 2-D network of fixed input size."""
  return Counter(
    Convolution(
      tuple(layer.input.shape[1:3]),
      tuple(layer.output.shape[1:3]),
      tuple(layer.kernel.shape),
      layer.strides[0],
      layer.padding.upper(),
    )
    for layer in model.layers
    if isinstance(layer, keras.layers.Conv2D)
  )


def step_flops(model: keras.Model) -> int:
  """What an attack step needs for one image: every convolution forward and its input gradient.

  The gradient with respect to the input takes as many products as the convolution itself.
  """
  return 2 * sum(count * one.flops for one, count in convolutions(model).items())
