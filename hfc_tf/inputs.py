"""Images, labels, groups and batches as users have them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.errors import InputError


def unit_images(
  images: Any, shape: tuple[int | None, ...], bounds: tuple[float, float]
) -> np.ndarray[Any, np.dtype[np.float32]]:
  """Images [N, ...] in `bounds`, each of `shape` (None: any size), as float32 in [0, 1].

  Raises:
    InputError: for a wrong shape, values outside the bounds (beyond rounding) or NaN.
  """
  array = np.asarray(images)
  low, high = bounds
  fits = array.ndim == len(shape) + 1 and all(
    size in (None, side) for size, side in zip(shape, array.shape[1:], strict=True)
  )
  if not fits:
    expected = f"images of shape (N, {', '.join(str(size or 'any') for size in shape)})"
    remedy = "resize them (--image_size) or convert grey to RGB"
    raise InputError(expected, f"shape {array.shape}", remedy)
  unit = ((array.astype(np.float64) - low) / (high - low)).astype(np.float32)
  if not np.isfinite(unit).all():
    raise InputError("finite images", "NaN or infinity", "remove the broken images")
  if unit.size and (unit.min() < -1e-5 or unit.max() > 1 + 1e-5):
    actual = f"values from {array.min():g} to {array.max():g}"
    remedy = "rescale them or pass bounds= to TappedModel"
    raise InputError(f"images in [{low:g}, {high:g}]", actual, remedy)
  return np.clip(unit, 0.0, 1.0)


def class_numbers(labels: Any, classes: int) -> np.ndarray[Any, np.dtype[np.int32]]:
  """Classes int32 [N] of labels that are numbers [N] or [N, 1], or one-hot [N, K].

  Raises:
    InputError: for labels that are neither, or classes that the model does not have.
  """
  array = np.asarray(labels)
  one_hot = array.ndim == 2 and array.shape[1] == classes and classes > 1
  if one_hot and ((array == 0) | (array == 1)).all() and (array.sum(1) == 1).all():
    return np.asarray(array.argmax(1), np.int32)
  flat = array.reshape(-1) if array.ndim == 2 and array.shape[1:] == (1,) else array
  actual = ""
  if flat.ndim != 1 or flat.dtype.kind not in "iubf":
    actual = f"{array.dtype} of shape {array.shape}"
  elif len(flat) and ((flat != np.rint(flat)).any() or flat.min() < -1 or flat.max() >= classes):
    actual = f"values {flat.min()} to {flat.max()}"
  if actual:
    expected = f"labels -1 (unknown) or 0 to {classes - 1}, int [N] or one-hot [N, K]"
    raise InputError(expected, actual, "pass class numbers")
  return flat.astype(np.int32)


def group_numbers(groups: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
  """Groups as int64 [N]; names are numbered."""
  array = np.asarray(groups).reshape(-1)
  if array.dtype.kind in "USO":
    return np.unique(array, return_inverse=True)[1]
  return array.astype(np.int64)


def batches(images: Any, size: int) -> Iterator[tuple[Any, Any]]:
  """Batches of at most `size` images, with the labels that a tf.data.Dataset has, else None."""
  for element in images if isinstance(images, tf.data.Dataset) else [(images, None)]:
    batch, labels = element[:2] if isinstance(element, tuple) else (element, None)
    for start in range(0, len(batch), size):
      rows = slice(start, start + size)
      yield batch[rows], None if labels is None else labels[rows]
