"""What terms that compare with Train images ask of their taps."""

from __future__ import annotations

from typing import Any

import numpy as np

from hfc_tf.errors import InputError
from hfc_tf.taps import Taps

Array = np.ndarray[Any, Any]


def refuse_missing_classes(train: Taps) -> None:
  """Raises an InputError unless every class of the model has labelled images."""
  found = np.unique(train.labels)
  if not np.array_equal(found, np.arange(train.logits.shape[1])):
    raise InputError(
      f"Train images with labels 0 to {train.logits.shape[1] - 1}, each of them",
      f"labels {found.tolist()}",
      "give labelled Train taps of every class",
    )


def centred(train: Taps, layer: str) -> tuple[Array, Array]:
  """The mean [C] of a layer's features, and the features [T, C] less it, float32.

  Distances between centred features keep their digits.

  Raises:
    InputError: for a layer that has no taps.
  """
  if layer not in train.features:
    raise InputError(f"a layer among {', '.join(train.features)}", layer, "name one of them")
  values = np.asarray(train.features[layer], np.float64)
  center = values.mean(0)
  return center.astype(np.float32), (values - center).astype(np.float32)
