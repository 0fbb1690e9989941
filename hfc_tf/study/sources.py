"""What artefacts are made from, images, classifier and lessons, and what tells them apart."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.data import splits
from hfc_tf.data.dataset import Dataset
from hfc_tf.storage.hashing import digest
from hfc_tf.taps import TappedModel, Taps

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Sources:
  """The images of a study.

  Attributes:
    dataset: all images with their labels. key: hashes all that is made from; see `content`.
    split: Train and Test.
  """

  dataset: Dataset
  split: splits.Split
  key: str


@dataclasses.dataclass(frozen=True, eq=False)
class Victim:
  """The attacked classifier; `key` hashes what it was made from."""

  model: TappedModel
  key: str
  channels: int

  def inputs(self, model: TappedModel | None = None) -> dict[str, Any]:
    """What an artefact that is made with the classifier depends on.

    Args:
      model: the form of it that is run; None for `self.model`.
    """
    model = model or self.model
    return {
      "classifier": self.key,
      "precision": model.precision,
      "bounds": model.bounds,
      "device": device(),
    }


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingSet:
  """What detectors learn from.

  Attributes:
    taps: of "train", "clean", "noisy" and "adversarial" images.
    images: "clean", "noisy" and "adversarial", for detectors that read images.
  """

  taps: dict[str, Taps]
  images: dict[str, Array]

  @functools.cached_property
  def key(self) -> str:
    """Hashes all of it."""
    return digest(self.taps, self.images)


def device() -> str:
  """The kind of device: it decides kernels, and with them the last bits of every result."""
  return "GPU" if tf.config.list_physical_devices("GPU") else "CPU"


def content(dataset: Dataset) -> str:
  """Hashes every pixel and label, and the images' names, groups and classes."""
  return digest(dataset.pixels, dataset.labels, dataset.ids, dataset.groups, dataset.class_names)
