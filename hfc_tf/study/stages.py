"""One function an artefact: what is there is read, what is missing is made and stored."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from typing import Any

import numpy as np

from hfc_tf.data.dataset import View
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.detectors import DETECTORS
from hfc_tf.detectors.base import Detector
from hfc_tf.storage.arrays import Arrays, load_arrays, save_arrays
from hfc_tf.storage.hashing import digest
from hfc_tf.storage.keys import VERSIONS
from hfc_tf.storage.store import Store
from hfc_tf.study.sources import Sources
from hfc_tf.study.victim import Victim
from hfc_tf.taps import Taps

Array = np.ndarray[Any, Any]
BATCH_SIZE = 64  # of images whose taps are taken
_FEATURES = "features/"


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingSet:
  """What detectors learn from: taps of "train", "clean", "noisy" and "adversarial" images, and
  these images but for Train's.
  """

  taps: dict[str, Taps]
  images: dict[str, Array]

  @functools.cached_property
  def key(self) -> str:
    """Hashes all of it."""
    return digest(self.taps, self.images)


def clean_taps(store: Store, sources: Sources, victim: Victim, rows: Array) -> tuple[Taps, str]:
  """Taps of clean, unaugmented images, and their key; groups are patients, or the images."""
  dataset = sources.dataset
  inputs = {"data": sources.key, **victim.inputs(), "rows": digest(rows), "batch_size": BATCH_SIZE}

  def make(folder: pathlib.Path) -> None:
    images = View(dataset, rows, victim.channels)
    groups = rows if dataset.groups is None else dataset.groups[rows]
    taps = victim.model.taps(images, dataset.labels[rows], groups=groups, batch_size=BATCH_SIZE)
    save_taps(folder / "taps.npz", taps)

  artefact = store.artefact("taps", VERSIONS["taps"], inputs, make)
  return load_taps(artefact.path / "taps.npz"), artefact.key


def save_taps(path: pathlib.Path, taps: Taps) -> None:
  """Writes taps as named arrays."""
  arrays: Arrays = {f"{_FEATURES}{name}": values for name, values in taps.features.items()}
  arrays |= {"logits": taps.logits, "labels": taps.labels}
  arrays["penultimate"] = np.array(taps.penultimate)
  arrays |= {} if taps.head is None else {"kernel": taps.head[0], "bias": taps.head[1]}
  arrays |= {} if taps.groups is None else {"groups": taps.groups}
  save_arrays(path, arrays)


def load_taps(path: pathlib.Path) -> Taps:
  """Reads what `save_taps` wrote."""
  arrays = load_arrays(path)
  names = [name for name in arrays if name.startswith(_FEATURES)]
  return Taps(
    features={name.removeprefix(_FEATURES): arrays[name] for name in names},
    logits=arrays["logits"],
    labels=arrays["labels"],
    penultimate=str(arrays["penultimate"]),
    head=(arrays["kernel"], arrays["bias"]) if "kernel" in arrays else None,
    groups=arrays.get("groups"),
  )


def density(
  store: Store,
  train: Taps,
  train_key: str,
  components: int,
  seed: int,
  covariance: str = "low_rank",
) -> HierarchicalDensity:
  """The density of normal features, fitted on clean Train taps."""

  def make(folder: pathlib.Path) -> None:
    fitted = HierarchicalDensity(components, covariance=covariance, seed=seed).fit(train)
    fitted.save(folder / "density.npz")

  inputs = {"taps": train_key, "components": components, "seed": seed}
  inputs |= {} if covariance == "low_rank" else {"covariance": covariance}
  artefact = store.artefact("density", VERSIONS["density"], inputs, make)
  return HierarchicalDensity.load(artefact.path / "density.npz")


def detector(
  store: Store, name: str, settings: dict[str, Any], victim: Victim, training_set: TrainingSet
) -> Detector:
  """A fitted detector; settings are of its constructor, its seed among them."""
  constructor: Any = DETECTORS[name]

  def make(folder: pathlib.Path) -> None:
    fitted = constructor(**settings).fit(
      **training_set.taps, model=victim.model, images=training_set.images
    )
    fitted.save(folder / "detector.npz")

  inputs = {"name": name, "settings": settings, **victim.inputs(), "lesson": training_set.key}
  artefact = store.artefact("detector", VERSIONS["detector"], inputs, make)
  return DETECTORS[name].load(artefact.path / "detector.npz")
