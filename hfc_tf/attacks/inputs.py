"""What users hand to attacks, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.errors import InputError

Array = np.ndarray[Any, Any]


def array(images: Any) -> Array:
  """Images as one array of numbers; an InputError for what has no one shape or is no images."""
  try:
    given = np.asarray(images)
  except ValueError as error:
    raise InputError("images of one shape", str(error)[:100], "resize them") from None
  if given.dtype.kind in "OSUMmc":
    expected, kind = "an array of numbers, a tensor or a tf.data.Dataset", type(images).__name__
    raise InputError(expected, f"{kind} of {given.dtype}", "pass images [N, ...]")
  return given


def grey(images: Array) -> Array:
  """Which images [N, ..., C] have several channels that are all equal, bool [N]."""
  if images.shape[-1] == 1 or not len(images):
    return np.zeros(len(images), bool)
  return np.array([bool((image == image[..., :1]).all()) for image in images])


def chunks(kinds: Array, size: int) -> Iterator[Array]:
  """Rows that share their kind [N], at most `size` at a time."""
  for kind in np.unique(kinds):
    rows = np.flatnonzero(kinds == kind)
    yield from (rows[first : first + size] for first in range(0, len(rows), size))


def of_dictionary(images: Any, targets: Any, targeted: bool) -> tuple[Any, Any]:
  """Images and targets of a batch {"image": [N, ...], "label": [N]}; anything else as it is.

  Its labels are the true classes: an untargeted attack leaves them, a targeted one is given targets
  beside it. An InputError without "image", or without classes.
  """
  if not isinstance(images, Mapping):
    return images, targets
  if "image" not in images:
    keys = ", ".join(map(str, images)) or "an empty dictionary"
    raise InputError('a dictionary with "image"', keys, "name its images so")
  if targets is None and targeted:
    remedy = "pass targets beside it (its labels are true classes), or targeted=False"
    raise InputError("targets of a targeted attack", "a dictionary alone", remedy)
  return images["image"], images.get("label") if targets is None else targets


def unpacked(images: Any, targets: Any, rank: int) -> tuple[Any, Any]:
  """Images and targets; of a tf.data.Dataset, all its batches of images or of (images, targets).

  An InputError for a dataset that is endless, empty or not batched (images of `rank` axes), for
  other elements, and where there are no targets or twice.
  """
  if isinstance(images, tf.data.Dataset):
    if images.cardinality() == tf.data.INFINITE_CARDINALITY:
      raise InputError("a dataset that ends", "an endless one", "leave out repeat()")
    elements = list(images)
    if not elements:
      raise InputError("at least one batch", "an empty dataset", "pass images")
    pairs = isinstance(elements[0], tuple)
    columns = list(zip(*elements, strict=True)) if pairs else [elements]
    if pairs and (len(columns) != 2 or targets is not None):
      raise InputError(
        "a dataset of images, or one of pairs and no other targets",
        f"tuples of {len(columns)}" + ("" if targets is None else " and targets beside them"),
        "map it to its images, or leave the targets out",
      )
    shape = getattr(columns[0][0], "shape", None)
    if shape is None or len(shape) != rank:
      raise InputError(
        "a dataset of batches of images",
        f"elements of shape {shape or type(columns[0][0]).__name__}",
        "call dataset.batch(32)",
      )
    images, *others = (np.concatenate([np.asarray(batch) for batch in each]) for each in columns)
    targets = others[0] if others else targets
  if targets is None:
    expected = "targets: the classes to reach (untargeted: to leave)"
    raise InputError(expected, "none", "pass attack(images, targets)")
  return images, targets


def classes(targets: Any, count: int, num_classes: int) -> Array:
  """Classes int32 [N] of integers [N] or [N, 1], one class for all, or exact one-hot rows [N, K].

  An InputError for other numbers, another length, or classes that the model does not have.
  """
  numbers = _array("targets", targets)
  if numbers.shape == (count, num_classes) and num_classes > 1:
    if not (np.isin(numbers, (0, 1)).all() and (numbers.sum(1) == 1).all()):
      expected = "targets [N], or one-hot rows [N, K]"
      raise InputError(expected, "rows that are not one-hot", "pass classes [N]")
    numbers = numbers.argmax(1)
  elif numbers.dtype.kind not in "iu":
    expected, actual = "integer targets [N], or one-hot rows [N, K]", f"{numbers.dtype} of shape"
    raise InputError(expected, f"{actual} {numbers.shape}", "pass e.g. targets.astype(int)")
  expected, remedy = f"targets between 0 and {num_classes - 1}", "name a class that the model has"
  return _integers("targets", numbers, count, (0, num_classes - 1), expected, remedy)


def sample_ids(ids: Any, count: int) -> Array:
  """The keys of random draws: integers of 32 bits, int32 [N]; 0 ... N - 1 by default."""
  numbers = np.arange(count, dtype=np.int32) if ids is None else _array("ids", ids)
  if numbers.dtype.kind not in "iu":
    raise InputError("integer ids [N]", f"{numbers.dtype}", "number the images")
  limits, remedy = (-(2**31), 2**31 - 1), "number the images, 0 to N - 1"
  return _integers("ids", numbers, count, limits, "ids within 32 bits", remedy)


def _array(name: str, values: Any) -> Array:
  try:
    numbers = np.asarray(values)
  except ValueError as error:
    raise InputError(f"{name} [N]", str(error)[:100], "pass integers") from None
  return numbers.astype(np.int64) if not numbers.size and numbers.ndim == 1 else numbers


def _integers(
  name: str, values: Array, count: int, limits: tuple[int, int], expected: str, remedy: str
) -> Array:
  """Values int32 [N] within limits, of [N], [N, 1] or a single one."""
  if values.ndim and values.shape not in ((count,), (count, 1)):
    asked = f"{name} for {count} images, or a single number"
    raise InputError(asked, f"shape {values.shape}", "pass one for each image")
  numbers = values.reshape(count) if values.ndim else np.full(count, values)
  if count and not limits[0] <= int(numbers.min()) <= int(numbers.max()) <= limits[1]:
    raise InputError(expected, f"{numbers.min()} to {numbers.max()}", remedy)
  return numbers.astype(np.int32)
