"""The classifier that is attacked: the user's, or one that is trained here on Train."""

from __future__ import annotations

import dataclasses
import json
import operator
import os
import pathlib
import shutil
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from hfc_tf import models
from hfc_tf.data import splits
from hfc_tf.data.dataset import View
from hfc_tf.distribute.executors import strategy
from hfc_tf.errors import InputError
from hfc_tf.models import training
from hfc_tf.models.applications import CAFFE
from hfc_tf.models.batch_norm import BatchNormCalibrator
from hfc_tf.storage.hashing import digest, file_digest
from hfc_tf.storage.hdf5 import hdf5_damage
from hfc_tf.storage.keys import VERSIONS
from hfc_tf.storage.store import Store
from hfc_tf.study.config import Config
from hfc_tf.study.setting import configuration, largest
from hfc_tf.study.sources import Sources
from hfc_tf.tapping import highest
from hfc_tf.taps import TappedModel

_MOST_SIZE = 2**20  # of a layer or an image, even where a model's file is small
BY_CHANNEL = ("torch", "tf", "caffe")  # modes of Keras's preprocess_input, which wants RGB


@dataclasses.dataclass(frozen=True, eq=False)
class Victim:
  """The attacked classifier; `key` hashes what it was made from."""

  model: TappedModel
  key: str
  channels: int

  def inputs(self, model: TappedModel | None = None) -> dict[str, Any]:
    """What an artefact depends on that is made with the classifier, or another form of it."""
    model = model or self.model
    return {
      "classifier": self.key,
      "precision": model.precision,
      "bounds": model.bounds,
      "device": device(),
    }


def device() -> str:
  """The kind of device: it decides kernels, and with them the last bits of every result."""
  return "GPU" if tf.config.list_physical_devices("GPU") else "CPU"


def load_victim(
  store: Store, config: Config, warn: Callable[[str], None], sources: Sources
) -> Victim:
  """The classifier, the user's or one that is trained on Train."""
  mode = config.preprocessing
  if config.model_path:
    network, key = users_classifier(config.model_path)
    if mode == "auto":
      mode = "raw255" if highest(network) else "none"
      logging.info("--preprocessing=%s, by the first layers of the model", mode)
    names = enumerate(sources.dataset.class_names)
    logging.info("outputs of the model: %s (--classes)", ", ".join(f"{k} {n}" for k, n in names))
    if not config.split:
      warn("The model may have been trained on AdvTest: --model_path was given without --split.")
  else:
    if mode not in ("auto", "none") and prepares(str(config.model), config.start):
      warn(f"{config.model} prepares images itself: --preprocessing={mode} is not applied to it.")
      mode = "none"
    mode = "none" if mode == "auto" else mode
    settings: dict[str, Any] = {
      "epochs": config.epochs,
      "batch_size": 32,
      "learning_rate": config.rate,
      "seed": config.seed if config.model_seed is None else config.model_seed,
      "weights": config.start,
      "preprocessing": mode,
    }
    if config.crop:
      settings["crop"] = [int(side) for side in config.crop]
    devices = strategy(config.distribute)
    network, key = trained_classifier(store, sources, str(config.model), settings, devices)
  model, classes = TappedModel(network, preprocessing(mode)), sources.dataset.num_classes
  if model.num_classes != classes:
    raise InputError(
      f"a model with {classes} classes", f"one with {model.num_classes}", "choose another --model"
    )
  if mode in BY_CHANNEL and model.input_shape[-1] != 3:
    raise InputError(
      f"a three-channel model for --preprocessing={mode}",
      f"one of {model.input_shape[-1]} channel(s)", "set --preprocessing=none or raw255",
    )  # fmt: skip
  return Victim(model, f"{key}/{mode}", int(model.input_shape[-1] or 1))


def users_classifier(path: str) -> tuple[keras.Model, str]:
  """A classifier that the user brings, and the hash of its file."""
  if not os.path.isfile(path) or not path.endswith((".keras", ".h5")):
    there = "something else" if os.path.exists(path) else "nothing"
    raise InputError("a .keras or .h5 file", f"{there} at {path}", "set --model_path to a model")
  try:
    if damage := hdf5_damage(path):
      raise ValueError(damage)
    if (size := largest(configuration(path))) > max(_MOST_SIZE, os.path.getsize(path)):
      raise ValueError(f"a layer of {size} in a file of {os.path.getsize(path)} bytes")
    network = keras.models.load_model(path, compile=False)
    if lost := [w.path for w in network.weights if np.isnan(np.asarray(w, np.float32)).any()]:
      raise ValueError(f"NaN in {lost[0]}")
    return network, file_digest(path)[:24]
  except Exception as error:  # Keras raises whatever its readers raise
    raise InputError(
      "a Keras 3 model that loads in safe mode",
      f"{path}: {type(error).__name__} {str(error)[:200]}",
      "save it again with model.save('mine.keras')",
    ) from error


def _whole(
  cropped: keras.Model, whole: keras.Model, crop: Sequence[int], sides: Sequence[int]
) -> keras.Model:
  """The network for whole images, which must be that for crops in all but the sides of maps."""
  names = ("strides", "pool_size", "dilation_rate")
  steps = [
    [[layer.get_config().get(name) for name in names] for layer in each.layers]
    for each in (cropped, whole)
  ]
  same = [w.shape for w in cropped.weights] == [w.shape for w in whole.weights]
  if steps[0] != steps[1] or not same:
    raise InputError(
      f"crops nearer to the images' sides {tuple(sides)}, on which the network is the same",
      f"--crop={','.join(map(str, crop))}", "take larger crops",
    )  # fmt: skip
  return whole


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


def prepares(name: str, start: str | None) -> bool:
  """Whether an architecture reads RGB in [0, 1] as it is: by a first layer or ImageNet's start."""
  return start == "imagenet" or models.APPLICATIONS.get(name, CAFFE[0]) not in CAFFE


def trained_classifier(
  store: Store,
  sources: Sources,
  name: str,
  settings: dict[str, Any],
  devices: tf.distribute.Strategy,
) -> tuple[keras.Model, str]:
  """A classifier trained on Train, whose validation images chose the epoch, and its key.

  Settings: epochs, batch_size, learning_rate, seed, weights, and preprocessing, through which it
  learns; crop, if it learns on random crops. Several devices change the rounding.
  """
  dataset, weights = sources.dataset, settings["weights"]
  if crop := settings.get("crop"):
    sides = dataset.pixels.shape[1:-1]
    if len(crop) != len(sides) or any(map(operator.gt, crop, sides)):
      flag = f"--crop={','.join(map(str, crop))}"
      raise InputError(f"crops within the images' sides {sides}", flag, "correct it")
  mode, prepare = settings["preprocessing"], preprocessing(settings["preprocessing"])
  train, validation = splits.validation(dataset, sources.split.train, settings["seed"])
  inputs = {
    "data": sources.key,
    "train": digest(train, validation),
    "model": name,
    **settings,
    "weights": file_digest(weights) if weights and os.path.isfile(weights) else weights,
    "device": device(),
  }
  if devices.num_replicas_in_sync > 1:
    inputs["replicas"] = devices.num_replicas_in_sync
  resumable = store.root / "training" / digest(inputs)

  def make(folder: pathlib.Path) -> None:
    *sides, channels = dataset.pixels.shape[1:]
    if name in models.APPLICATIONS or mode in BY_CHANNEL:
      channels = 3
    with devices.scope():

      def network(sides: Sequence[int]) -> keras.Model:
        return models.MODELS[name](
          (*sides, channels), dataset.num_classes, seed=settings["seed"], weights=weights
        )

      model = network(crop or sides)
      whole = _whole(model, network(sides), crop, sides) if crop else model
      history = training.train(
        model,
        View(dataset, train, channels, prepare),
        dataset.labels[train],
        View(dataset, validation, channels, prepare),
        dataset.labels[validation],
        crop=crop,
        checkpoint_dir=resumable,
        **{key: settings[key] for key in ("epochs", "batch_size", "learning_rate", "seed")},
      )
      if crop:
        whole.set_weights(model.get_weights())
        BatchNormCalibrator(whole)(View(dataset, train, channels, prepare), settings["batch_size"])
    whole.save(folder / "model.keras")
    (folder / "history.json").write_text(json.dumps(history))

  artefact = store.artefact("classifier", VERSIONS["classifier"], inputs, make)
  shutil.rmtree(resumable, ignore_errors=True)
  return keras.models.load_model(artefact.path / "model.keras", compile=False), artefact.key
