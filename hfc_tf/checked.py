"""Taps and settings as densities and detectors take them, checked once at the door."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hfc_tf.errors import InputError
from hfc_tf.taps import Taps

Array = np.ndarray[Any, Any]
_ONE_MODEL = "take all taps from the model that fit has seen"


def checked_taps(
  taps: Taps,
  name: str,
  *,
  widths: Mapping[str, Any] | None = None,
  classes: int | None = None,
  labelled: bool = False,
) -> Taps:
  """The same taps as float32 arrays of one length, fit to be computed with.

  Args:
    taps: as `TappedModel.taps` returns them, or made by hand of numbers of any precision.
    name: what they are called in a message.
    widths: layer name -> C_l; if given, the layers that must be there, and no others.
    classes: K of the logits; any if None.
    labelled: whether every label must be one of the K classes.

  Raises:
    InputError: arrays of other shapes, lengths or kinds, values that are not finite, other layers,
      widths or classes than asked for, labels that are no classes.
  """
  if not isinstance(taps, Taps):
    raise InputError(f"Taps as {name} taps", type(taps).__name__, "pass model.taps(images)")
  logits = _numbers(taps.logits, f"logits of the {name} taps")
  if classes is not None and logits.shape[1] != classes:
    actual = f"{logits.shape[1]} in the {name} taps"
    raise InputError(f"logits of {classes} classes", actual, _ONE_MODEL)
  features = {
    layer: _numbers(values, f"layer {layer} of the {name} taps")
    for layer, values in taps.features.items()
  }
  if widths is not None:
    _check_widths({layer: values.shape[1] for layer, values in features.items()}, widths, name)
  if not features:
    raise InputError(f"a layer in the {name} taps", "none", "pass model.taps(images)")
  labels = _labels(taps.labels, logits.shape[1], name, labelled)
  arrays = {f"layer {layer}": values for layer, values in features.items()}
  arrays |= {"labels": labels} if taps.groups is None else {"labels": labels, "groups": taps.groups}
  for what, values in arrays.items():
    if len(values) != len(logits):
      expected = f"{len(logits)} rows in every array of the {name} taps, as in the logits"
      raise InputError(expected, f"{len(values)} in {what}", "take rows of Taps as taps[rows]")
  return dataclasses.replace(taps, features=features, logits=logits, labels=labels)


def layer_list(layers: Sequence[str] | None, train: Taps) -> list[str]:
  """The layers asked for, in the order of the network, or all.

  Raises:
    InputError: for a layer that Train lacks.
  """
  wanted = list(train.features) if layers is None else list(layers)
  unknown = [name for name in wanted if name not in train.features]
  if unknown or not wanted:
    known = ", ".join(train.features)
    raise InputError(f"layers among {known}", ", ".join(unknown) or "none", "name one of them")
  return [name for name in train.features if name in wanted]


def check_count(noun: str, value: Any) -> None:
  """Raises unless a setting is a whole number of at least one."""
  if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
    raise InputError(f"at least one {noun}, a whole number", repr(value), "pass e.g. 16")


def check_seed(value: Any) -> None:
  """Raises unless a seed is a whole number of 32 bits, as NumPy's generators take them."""
  if not isinstance(value, int | np.integer) or isinstance(value, bool) or not 0 <= value < 2**32:
    raise InputError("a seed from 0 to 2^32 - 1", repr(value), "pass e.g. 0")


def _numbers(values: Any, what: str) -> Array:
  """Finite float32 [N, C]."""
  array = np.asarray(values)
  if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
    raise InputError(f"numbers in {what}", f"dtype {array.dtype}", "give floating-point numbers")
  if array.ndim != 2 or not array.shape[1]:
    raise InputError(f"{what} of shape (N, C)", f"shape {array.shape}", "give a row an image")
  with np.errstate(over="ignore"):
    array = array.astype(np.float32, copy=False)
  if not np.isfinite(array).all():
    remedy = "check the images and the model's weights"
    raise InputError("finite features and logits", f"NaN or infinity in {what}", remedy)
  return array


def _check_widths(actual: Mapping[str, int], widths: Mapping[str, Any], name: str) -> None:
  other = [f"layer {layer}" for layer in actual if layer not in widths]
  other += [f"layer {layer}" for layer in widths if layer not in actual]
  if not other:
    other = [
      f"layer {layer} of {actual[layer]} channels instead of {width}"
      for layer, width in widths.items()
      if actual[layer] != width
    ][-1:]
  if other:
    difference = f"others in the {name} taps: {', '.join(other[:3])}"
    raise InputError(f"the {len(widths)} layers of Train", difference, _ONE_MODEL)


def _labels(labels: Any, classes: int, name: str, labelled: bool) -> Array:
  """Labels int32 [N]."""
  array, what = np.asarray(labels), f"labels of the {name} taps"
  if array.ndim != 1:
    remedy = "give one class number an image (of one-hot rows the argmax)"
    raise InputError(f"{what} of shape (N,)", f"shape {array.shape}", remedy)
  if array.dtype.kind not in "fiub" or (array != np.round(array)).any():
    raise InputError(f"whole numbers as {what}", f"dtype {array.dtype}", "give class numbers")
  if labelled and len(array) and (array.min() < 0 or array.max() >= classes):
    remedy = "pass labels to model.taps(images, labels)"
    if (array == -1).all():
      raise InputError(f"labelled {name} taps", "no labels (-1 everywhere)", remedy)
    expected = f"{what} from 0 to {classes - 1}, the classes of the logits"
    raise InputError(expected, f"{array.min():g} to {array.max():g}", remedy)
  return array.astype(np.int32)
