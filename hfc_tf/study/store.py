"""The study's artefacts on disk, and taps as files."""

from __future__ import annotations

import pathlib

import numpy as np

from hfc_tf.storage.arrays import Arrays as Arrays
from hfc_tf.storage.arrays import load_arrays, save_arrays
from hfc_tf.storage.hashing import digest as digest
from hfc_tf.storage.store import Store as Store
from hfc_tf.taps import Taps


def save_taps(path: pathlib.Path, taps: Taps) -> None:
  """Writes taps as named arrays."""
  arrays: Arrays = {f"features/{name}": values for name, values in taps.features.items()}
  arrays |= {
    "logits": taps.logits,
    "labels": taps.labels,
    "penultimate": np.array(taps.penultimate),
  }
  if taps.head is not None:
    arrays |= {"kernel": taps.head[0], "bias": taps.head[1]}
  if taps.groups is not None:
    arrays["groups"] = taps.groups
  save_arrays(path, arrays)


def load_taps(path: pathlib.Path) -> Taps:
  """Reads what `save_taps` wrote."""
  arrays = load_arrays(path)
  prefix = "features/"
  return Taps(
    features={n.removeprefix(prefix): v for n, v in arrays.items() if n.startswith(prefix)},
    logits=arrays["logits"],
    labels=arrays["labels"],
    penultimate=str(arrays["penultimate"]),
    head=(arrays["kernel"], arrays["bias"]) if "kernel" in arrays else None,
    groups=arrays.get("groups"),
  )
