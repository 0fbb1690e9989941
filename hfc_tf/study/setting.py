"""What a study is about: its images with their split, and the classifier that is attacked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from absl import logging

from hfc_tf.attacks import BIM
from hfc_tf.data import splits
from hfc_tf.data.dataset import Dataset
from hfc_tf.distribute import Executor, executor
from hfc_tf.distribute.executors import strategy
from hfc_tf.errors import InputError
from hfc_tf.storage.store import Store
from hfc_tf.study import attacked, parts, stages
from hfc_tf.study.config import Config
from hfc_tf.tapping import highest
from hfc_tf.taps import TappedModel

Warn = Callable[[str], None]


def workers(config: Config) -> Executor | None:
  """Who makes attacked images; None: this process."""
  if config.distribute is None:
    return None
  return executor(
    config.distribute,
    ray_address=config.ray_address,
    workers=config.workers,
    threads=config.threads,
  )


def batch_size(
  store: Store, config: Config, images: stages.Sources, subject: stages.Subject
) -> int:
  """Images a step: what is asked for, or as many as memory holds."""
  if config.batch_size:
    return config.batch_size
  shape = (*images.dataset.pixels.shape[1:-1], subject.channels)
  return attacked.batch_size(store, subject, BIM(subject.model, steps=1), {}, shape)


def sources(
  store: Store,
  config: Config,
  dataset: Dataset | None,
  warn: Warn,
  split: splits.Split | None = None,
) -> stages.Sources:
  """The images, given or read or drawn, and their split, given or drawn.

  Raises:
    InputError: for images that cannot be read, or too few of them for the components.
  """
  if dataset is None:
    dataset, key = stages.dataset(
      store,
      config.dataset,
      config.data_dir,
      config.image_size,
      config.seed,
      config.num_images,
      window=config.window,
      depth=config.depth,
    )
  else:
    key = stages.content(dataset)
  split = split or parts.train_test(config, dataset, store, key)
  shared = splits.straddling_groups(dataset, split.train, split.test)
  if shared:
    warn(f"{shared} patients have images in both Train and Test of the given split.")
  fewest = int(np.bincount(dataset.labels[split.train], minlength=dataset.num_classes).min())
  if config.hfc and fewest < int(config.components or 1):
    raise InputError(
      f"at least {config.components} Train images of every class for as many components",
      f"{fewest}",
      "give more images or lower --components",
    )
  return stages.Sources(dataset, split, key)


def subject(store: Store, config: Config, images: stages.Sources, warn: Warn) -> stages.Subject:
  """The classifier, the user's or one that is trained on Train.

  Raises:
    InputError: for a model that cannot be read or has other classes than the images.
  """
  if config.model_path:
    network, key = stages.users_classifier(config.model_path)
    if not config.split:
      warn("The model may have been trained on AdvTest: --model_path was given without --split.")
  else:
    network, key = stages.classifier(
      store,
      images,
      str(config.model),
      {
        "epochs": config.epochs,
        "batch_size": 32,
        "learning_rate": config.learning_rate,
        "seed": config.seed if config.model_seed is None else config.model_seed,
        "weights": config.weights,
      },
      strategy(config.distribute),
    )
  mode = config.preprocessing if config.model_path else "none"  # ours are trained without any
  if mode == "auto":
    mode = "raw255" if highest(network) else "none"
    logging.info("--preprocessing=%s, by the first layers of the model", mode)
  model = TappedModel(network, stages.preprocessing(mode))
  found = images.dataset.num_classes
  if model.num_classes != found:
    raise InputError(
      f"a model with {found} classes", f"one with {model.num_classes}", "choose another --model"
    )
  return stages.Subject(model, f"{key}/{mode}", int(model.input_shape[-1] or 1))
