"""Strokes, clouds and ramps that the phantoms are drawn with, in fractions of the image side."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from hfc_tf.data.dataset import Dataset
from hfc_tf.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]
Draw = Callable[[int, int, int, int], Array]
Rng = np.random.Generator
Stroke = tuple[Array, int]  # points [P, 2] in fractions of the side; canvas width, 0: filled

_CANVAS = 512  # strokes are drawn at this size and averaged down to the one asked for


def phantom(
  name: str, draw: Draw, class_names: tuple[str, ...], num_images: int, image_size: int, seed: int
) -> Dataset:
  """Draws a Dataset whose classes take turns; `draw` gets (seed, index, image_size, label).

  Raises:
    InputError: fewer images than classes, a side below 16 pixels, or a negative seed.
  """
  minima = {"images": len(class_names), "pixels a side": 16, "as the seed": 0}
  for value, (what, least) in zip((num_images, image_size, seed), minima.items(), strict=True):
    if value < least:
      raise InputError(f"at least {least} {what} for the {name} phantom", str(value), "raise it")
  labels = np.arange(num_images, dtype=np.int32) % len(class_names)
  drawn = [draw(seed, index, image_size, label) for index, label in enumerate(labels.tolist())]
  return Dataset(
    name=f"{name} phantom (synthetic)",
    source="synthetic",
    pixels=np.stack(drawn),
    labels=labels,
    ids=[f"synthetic {name} {index}" for index in range(num_images)],
    groups=None,
    class_names=class_names,
  )


def branches(
  rng: Rng, starts: Array, headings: Array, lengths: Array, bends: Array, width: int, twigs: int = 0
) -> list[Stroke]:
  """Wandering, narrowing vessels from starts [S, 2]; a bend is a whole turn in radians."""
  knots = np.arange(16)
  wander = np.cumsum(rng.normal(0, 0.12, (len(starts), 16)), axis=1)
  angles = headings[:, None] + bends[:, None] * knots / 15 + wander  # [S, 16]
  moves = np.stack([np.cos(angles), np.sin(angles)], axis=-1) * lengths[:, None, None] / 16
  points = starts[:, None] + np.cumsum(moves, axis=1)  # [S, 16, 2]
  narrowing = ((16, max(width - 3, 1)), (10, max(width - 1, 1)), (5, width))
  strokes: list[Stroke] = [(path[:end], thick) for end, thick in narrowing for path in points]
  if twigs:
    vessel, knot = rng.integers(0, len(starts), twigs), rng.integers(3, 16, twigs)
    turn = rng.uniform(0.4, 0.9, twigs) * np.where(rng.uniform(size=twigs) < 0.5, -1, 1)
    lengths = lengths[vessel] * rng.uniform(0.25, 0.5, twigs)
    starts, headings = points[vessel, knot], angles[vessel, knot] + turn
    bends = turn * rng.uniform(-1, 1, twigs)
    strokes += branches(rng, starts, headings, lengths, bends, max(width - 3, 1))
  return strokes


def spots(
  rng: Rng, x0: float, y0: float, spread: float, count: int, small: float, large: float
) -> list[Stroke]:
  """`count` filled spots with ragged outlines, radii from small to large, within `spread`."""
  angle, away = rng.uniform(0, 2 * np.pi, count), spread * np.sqrt(rng.uniform(0, 1, count))
  middle = np.stack([x0 + away * np.cos(angle), y0 + away * np.sin(angle)], axis=-1)  # [S, 2]
  ray = 2 * np.pi * np.arange(12) / 12
  reach = rng.uniform(small, large, (count, 1)) * rng.uniform(0.7, 1.3, (count, 12))  # [S, 12]
  outline = reach[..., None] * np.stack([np.cos(ray), np.sin(ray)], axis=-1)  # [S, 12, 2]
  return [(path, 0) for path in middle[:, None] + outline]


def ink(strokes: list[Stroke], size: int) -> Array:
  """Coverage of each pixel by the strokes, float32 [H, W] in [0, 1]."""
  canvas = Image.new("L", (_CANVAS, _CANVAS))
  pen = ImageDraw.Draw(canvas)
  for points, width in strokes:
    path = (points * _CANVAS).ravel().tolist()
    if width:
      pen.line(path, fill=255, width=width)
    else:
      pen.polygon(path, fill=255)
  return np.asarray(canvas.resize((size, size), Image.Resampling.BOX), np.float32) / 255


@functools.cache
def windows(size: int, cells: int) -> Array:
  """Weights [size, cells] that spread `cells` knots over `size` pixels by cos^2 windows."""
  gap = (np.arange(size)[:, None] + 0.5) * cells / size - (np.arange(cells) + 0.5)
  weights = np.where(np.abs(gap) < 1, 0.5 + 0.5 * np.cos(np.pi * gap), 0)
  return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)


def cloud(rng: Rng, size: int, cells: int, depth: int = 0) -> Array:
  """Smooth standard normal noise, float32 [H, W] or [D, H, W], of `cells` knots along each axis."""
  knots = rng.standard_normal((cells,) * (3 if depth else 2), np.float32)
  if depth:
    knots = np.tensordot(windows(depth, cells), knots, 1)  # [D, cells, cells]
  weights = windows(size, cells)
  return np.asarray(weights @ knots @ weights.T)


@functools.cache
def coordinates(size: int) -> tuple[Array, Array]:
  """Pixel centres x (along a row) and y (downwards), float32 [H, W], in fractions of the side."""
  line = (np.arange(size, dtype=np.float32) + 0.5) / size
  y, x = np.meshgrid(line, line, indexing="ij")
  return x, y


def gauss(x: Array) -> Array:
  """exp(-x^2 / 2)."""
  return np.asarray(np.exp(-0.5 * x * x))


def step(x: Array, width: float) -> Array:
  """A soft edge: 0 far below x = 0, 1 far above, with the slope of a logistic of that width."""
  t = np.clip(x / (6 * width) + 0.5, 0, 1)
  return np.asarray(t * t * (3 - 2 * t))


def bands(x: Array, sharpness: float) -> Array:
  """Soft bands of period 1 and height 1."""
  return np.asarray(np.exp(sharpness * (np.cos(2 * np.pi * x) - 1)))


def rgb(red: float, green: float, blue: float) -> Array:
  """A colour, float32 [3]."""
  return np.array([red, green, blue], np.float32)


def quantised(film: Array) -> Array:
  """To the 8 bits that such pictures have, in the 16 that `Dataset` stores."""
  return np.asarray(np.rint(255 * np.clip(film, 0, 1)) * 257, np.uint16)
