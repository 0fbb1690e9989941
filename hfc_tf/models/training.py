"""Training on Keras's own fit, in an order that neither workers nor restarts change."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hfc_tf import progress as overall
from hfc_tf.errors import InputError
from hfc_tf.models.batch_norm import BatchNormCalibrator
from hfc_tf.models.batches import Batches, Centre
from hfc_tf.models.callbacks import Checkpoint, Progress
from hfc_tf.models.inference import evaluate, predict
from hfc_tf.storage.hashing import digest
from hfc_tf.surroundings import default_settings

__all__ = ["evaluate", "predict", "train"]

_CALIBRATION_IMAGES = 256  # what an epoch's validation needs; the end uses all of Train


@default_settings()
def train(
  model: keras.Model,
  images: Any,
  labels: np.ndarray,
  validation_images: Any,
  validation_labels: np.ndarray,
  *,
  epochs: int,
  batch_size: int = 32,
  learning_rate: float = 1e-3,
  seed: int = 0,
  crop: Sequence[int] | None = None,
  checkpoint_dir: str | Path | None = None,
  progress: Callable[[str], None] | None = None,
) -> list[dict[str, float]]:
  """Trains in place and leaves the epoch of smallest validation loss, ready for inference.

  Cross-entropy of the logits, Adam with a short warm-up and cosine decay (Loshchilov and Hutter,
  ICLR 2017), random crop and flip. Order and augmentation depend on (seed, epoch, sample) only;
  with `tf.config.experimental.enable_op_determinism()` a killed run that is started again with the
  same arguments ends with the same bytes as one that was not. At the end BatchNorm statistics are
  recomputed over all of Train, unaugmented.

  Under the scope of a `tf.distribute.MirroredStrategy`, in which the model was built too, every
  replica takes an equal share of each batch and normalises over that share.

  Args:
    model: a functional model with linear logits [N, K]; it is changed, but not compiled.
    images: float32 [N, ..., C], or an object with `__len__` and `__getitem__(index_array)`.
    labels: int [N].
    validation_images, validation_labels: as these; they choose the epoch, so let them be of Train.
    epochs: passes over `images`; each drops the last N mod batch_size of its order.
    batch_size: images per step.
    learning_rate: the largest, after the warm-up of a twentieth of all steps.
    seed: decides order and augmentation (the model's own seed decides weights and dropout).
    crop: sides of random crops that the model takes, of larger images; it is validated on central
      ones. None: the images whole.
    checkpoint_dir: where training.npz lives, None to keep no state.
    progress: receives a line every epoch and about every ten seconds; absl's log by default.

  Returns:
    one dictionary per epoch: epoch, loss, accuracy, validation_loss, validation_accuracy.

  Raises:
    InputError: images and labels do not fit one another or the model, a number is not positive, or
      the loss is not finite.
  """
  labels = _checked_labels(model, images, labels, "training")
  validation_labels = _checked_labels(model, validation_images, validation_labels, "validation")
  replicas = tf.distribute.get_strategy().num_replicas_in_sync  # 1 without a strategy
  batch_size = min(batch_size, len(labels))
  batch_size -= batch_size % replicas
  if not (epochs > 0 and batch_size > 0 and learning_rate > 0):
    raise InputError(
      expected=f"epochs and learning_rate above 0, batches and images of at least {replicas}",
      actual=f"{epochs} epochs, learning rate {learning_rate:g}, batches of {batch_size}",
      remedy="correct the one that is not",
    )
  batches = Batches(images, labels, batch_size, seed, crop)
  steps = epochs * len(batches)
  warm_up = max(steps // 20, 1)
  schedule = keras.optimizers.schedules.CosineDecay(
    learning_rate / 10, max(steps - warm_up, 1), warmup_target=learning_rate, warmup_steps=warm_up
  )
  trained = keras.Model(model.inputs, model.outputs)  # the user's own is not compiled
  trained.compile(
    optimizer=keras.optimizers.Adam(schedule),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")],
    # XLA is for accelerators, one at a time: on a CPU the plain graph is several times faster.
    jit_compile=replicas == 1 and bool(tf.config.list_logical_devices("GPU")),
  )
  trained.optimizer.build(trained.trainable_variables)
  checkpoint = Checkpoint(model, trained.optimizer)
  if checkpoint_dir is not None:
    settings = (epochs, batch_size, learning_rate, seed, len(images), len(validation_labels),
                *([tuple(crop)] if crop else []))  # fmt: skip
    data = (labels, np.asarray(images[np.arange(min(16, len(labels)))]), validation_labels)
    start = [np.asarray(variable) for variable in model.variables]
    checkpoint.resume(Path(checkpoint_dir) / "training.npz", digest(settings, data, start))
  if crop:
    images, validation_images = Centre(images, crop), Centre(validation_images, crop)
  calibrator = BatchNormCalibrator(model)
  subset = np.random.default_rng([seed, 2]).permutation(len(labels))[:_CALIBRATION_IMAGES]
  trained.fit(
    batches,
    validation_data=Batches(validation_images, validation_labels, batch_size),
    epochs=epochs,
    initial_epoch=len(checkpoint.history),
    shuffle=False,
    verbose=0,
    callbacks=[
      keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: batches.begin(epoch),
        on_test_begin=lambda logs: calibrator(images, batch_size, subset),
      ),
      checkpoint,
      Progress(progress or _report, batch_size),
    ],
  )
  checkpoint.restore_best()
  calibrator(images, batch_size)
  return checkpoint.history


def _report(line: str) -> None:
  overall.current.report(line, at_once=True)


def _checked_labels(model: keras.Model, images: Any, labels: np.ndarray, which: str) -> np.ndarray:
  labels = np.asarray(labels)
  classes = model.output_shape[-1]
  if not 0 < len(labels) == len(images):
    raise InputError(
      expected=f"as many {which} labels as images, at least one",
      actual=f"{len(labels)} labels for {len(images)} images",
      remedy="check the split",
    )
  if labels.min() < 0 or labels.max() >= classes:
    raise InputError(
      expected=f"{which} labels from 0 to {classes - 1}",
      actual=f"{labels.min()} to {labels.max()}",
      remedy="number the classes from 0 and give the model one unit for each",
    )
  return labels.astype(np.int32)
