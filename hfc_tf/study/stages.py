"""One function an artefact: what is there is read, what is missing is made and kept."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from hfc_tf import data, models
from hfc_tf.data import splits
from hfc_tf.data.dataset import Dataset, View
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.detectors import DETECTORS
from hfc_tf.detectors.base import Detector
from hfc_tf.errors import InputError
from hfc_tf.models import training
from hfc_tf.storage.hashing import digest, file_digest
from hfc_tf.storage.keys import VERSIONS
from hfc_tf.storage.store import Store
from hfc_tf.study.sources import Sources as Sources
from hfc_tf.study.sources import TrainingSet as TrainingSet
from hfc_tf.study.sources import Victim as Victim
from hfc_tf.study.sources import content as content
from hfc_tf.study.sources import device
from hfc_tf.study.store import load_taps, save_taps
from hfc_tf.taps import Taps

Array = np.ndarray[Any, Any]


def dataset(
  store: Store,
  name: str,
  data_dir: str | None,
  image_size: int,
  seed: int,
  num_images: int | None,
  **volumes: Any,
) -> tuple[Dataset, str]:
  """The images, decoded once, and the hash of their content; `volumes`: window and depth."""
  kept = store.root / "decoded"
  loaded = data.load(name, data_dir, image_size, seed, num_images, kept, **volumes)
  return loaded, content(loaded)


def _trained(sources: Sources, name: str, settings: dict[str, Any]) -> keras.Model:
  shape = sources.dataset.pixels.shape[1:]
  channels = 3 if name in models.APPLICATIONS else shape[-1]
  return models.MODELS[name](
    (*shape[:-1], channels),
    sources.dataset.num_classes,
    seed=settings["seed"],
    weights=settings["weights"],
  )


def classifier(
  store: Store,
  sources: Sources,
  name: str,
  settings: dict[str, Any],
  strategy: tf.distribute.Strategy,
) -> tuple[keras.Model, str]:
  """A classifier trained on Train, whose validation part chose the epoch.

  Args:
    store: where it is kept.
    sources: images and split.
    name: a key of MODELS.
    settings: epochs, batch_size, learning_rate, seed, weights.
    strategy: on which devices; several change the rounding, and so the artefact.
  """
  if name not in models.MODELS:
    raise InputError(f"a model among {', '.join(models.MODELS)}", repr(name), "name one of them")
  train = sources.split.train
  fitted, kept = splits.validation(sources.dataset, train, settings["seed"])
  weights = settings["weights"]
  described = {
    "data": sources.key,
    "train": digest(fitted, kept),
    "model": name,
    **settings,
    "weights": file_digest(weights) if weights and os.path.isfile(weights) else weights,
    "device": device(),
  }
  if strategy.num_replicas_in_sync > 1:
    described["replicas"] = strategy.num_replicas_in_sync

  resumable = store.root / "training" / digest(described)

  def make(folder: pathlib.Path) -> None:
    with strategy.scope():
      model = _trained(sources, name, settings)
      channels = model.input_shape[-1]
      history = training.train(
        model,
        View(sources.dataset, fitted, channels),
        sources.dataset.labels[fitted],
        View(sources.dataset, kept, channels),
        sources.dataset.labels[kept],
        epochs=settings["epochs"],
        batch_size=settings["batch_size"],
        learning_rate=settings["learning_rate"],
        seed=settings["seed"],
        checkpoint_dir=resumable,
      )
    model.save(folder / "model.keras")
    (folder / "history.json").write_text(json.dumps(history))

  artefact = store.artefact("classifier", VERSIONS["classifier"], described, make)
  shutil.rmtree(resumable, ignore_errors=True)
  return keras.models.load_model(artefact.path / "model.keras", compile=False), artefact.key


def users_classifier(path: str) -> tuple[keras.Model, str]:
  """A classifier that the user brings, and the hash of its file.

  Raises:
    InputError: when there is no such file or Keras cannot read it.
  """
  if not os.path.isfile(path) or not path.endswith((".keras", ".h5")):
    found = "nothing" if not os.path.exists(path) else "something else"
    raise InputError("a .keras or .h5 file", f"{found} at {path}", "set --model_path to a model")
  try:
    return keras.models.load_model(path, compile=False), file_digest(path)[:24]
  except Exception as error:  # Keras raises whatever its readers raise
    raise InputError(
      "a Keras 3 model that loads in safe mode",
      f"{path}: {type(error).__name__} {str(error)[:200]}",
      "save it again with model.save('mine.keras')",
    ) from error


def preprocessing(mode: str) -> Callable[[Any], Any] | None:
  """What a model wants of images in [0, 1]: nothing for "none", 0 to 255 for "raw255", else Keras's
  preprocess_input of that mode.
  """
  if mode == "none":
    return None
  if mode == "raw255":
    return lambda images: images * 255.0
  prepare = keras.applications.imagenet_utils.preprocess_input
  return lambda images: prepare(images * 255.0, data_format="channels_last", mode=mode)


def clean_taps(
  store: Store, sources: Sources, victim: Victim, rows: Array, batch_size: int
) -> tuple[Taps, str]:
  """Taps of clean, unaugmented images; groups are patients, or the images themselves."""
  groups = sources.dataset.groups
  described = {
    "data": sources.key,
    **victim.inputs(),
    "rows": digest(rows),
    "batch_size": batch_size,
  }

  def make(folder: pathlib.Path) -> None:
    parts = []
    for start in range(0, len(rows), 512):
      some = rows[start : start + 512]
      parts.append(
        victim.model.taps(
          sources.dataset.images(some, victim.channels),
          sources.dataset.labels[some],
          groups=some if groups is None else groups[some],
          batch_size=batch_size,
        )
      )
      logging.log_every_n_seconds(logging.INFO, "taps: %d of %d images", 10, start, len(rows))
    save_taps(folder / "taps.npz", Taps.concatenate(parts))

  artefact = store.artefact("taps", VERSIONS["taps"], described, make)
  return load_taps(artefact.path / "taps.npz"), artefact.key


def density(
  store: Store, train: Taps, train_key: str, components: int, seed: int
) -> tuple[HierarchicalDensity, str]:
  """The density of normal features, fitted on clean Train taps."""
  settings = {"components": components, "seed": seed}
  artefact = store.artefact(
    "density",
    VERSIONS["density"],
    {"taps": train_key, **settings},
    lambda folder: (
      HierarchicalDensity(components, seed=seed).fit(train).save(folder / "density.npz")
    ),
  )
  return HierarchicalDensity.load(artefact.path / "density.npz"), artefact.key


def detector(
  store: Store,
  name: str,
  settings: dict[str, Any],
  victim: Victim,
  training_set: TrainingSet,
) -> Detector:
  """A detector fitted on labelled Train taps and on clean, noisy and adversarial AdvTrain taps.

  Args:
    store: where it is kept.
    name: a key of DETECTORS.
    settings: of the detector's constructor, its seed among them.
    victim: the classifier.
    training_set: what it learns from.
  """
  if name not in DETECTORS:
    raise InputError(f"a detector among {', '.join(DETECTORS)}", repr(name), "name one of them")

  constructor: Any = DETECTORS[name]

  def make(folder: pathlib.Path) -> None:
    fitted = constructor(**settings).fit(
      **training_set.taps, model=victim.model, images=training_set.images
    )
    fitted.save(folder / "detector.npz")

  inputs = {"name": name, "settings": settings, **victim.inputs(), "lesson": training_set.key}
  artefact = store.artefact("detector", VERSIONS["detector"], inputs, make)
  return DETECTORS[name].load(artefact.path / "detector.npz")
