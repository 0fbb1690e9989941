"""Training that a kill cannot harm: one loop, one checkpoint per epoch."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from hfc_tf.errors import InputError
from hfc_tf.fast.training import Adam, fast_kernels
from hfc_tf.models import augmentation
from hfc_tf.models.batch_norm import BatchNormCalibrator
from hfc_tf.models.checkpoint import Run
from hfc_tf.models.inference import Predictor, evaluate, predict
from hfc_tf.models.progress import Clock
from hfc_tf.storage.hashing import digest
from hfc_tf.surroundings import default_settings

__all__ = ["evaluate", "predict", "train"]

_CALIBRATION_IMAGES = 512  # what an epoch's validation needs; the end uses all of Train


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
    model: a functional model with linear logits [N, K]; it is changed.
    images: float32 [N, ..., C], or an object with `__len__` and `__getitem__(index_array)`.
    labels: int [N].
    validation_images: as `images`; they choose the epoch, so let them be a part of Train.
    validation_labels: int [V].
    epochs: passes over `images`; each drops the last N mod batch_size of its order.
    batch_size: images per step.
    learning_rate: the largest, after the warm-up of a twentieth of all steps.
    seed: decides order and augmentation (the model's own seed decides weights and dropout).
    checkpoint_dir: where training.npz lives, None to keep no state.
    progress: receives a line every epoch and about every ten seconds; absl's log by default.

  Returns:
    one dictionary per epoch: epoch, loss, accuracy, validation_loss, validation_accuracy.

  Raises:
    InputError: images and labels do not fit one another or the model, or the loss is not finite.
  """
  labels = _checked_labels(model, images, labels, "training")
  validation_labels = _checked_labels(model, validation_images, validation_labels, "validation")
  strategy = tf.distribute.get_strategy()  # the default one has a single replica
  batch_size = min(batch_size, len(labels))
  batch_size -= batch_size % strategy.num_replicas_in_sync
  steps = len(labels) // batch_size
  rank = len(model.input_shape) - 2
  optimizer = _optimizer(learning_rate, epochs * steps)
  optimizer.build(model.trainable_variables)
  run = Run(model, optimizer)
  step = _train_step(model, optimizer, strategy)
  predictor = Predictor(model)
  calibrator = BatchNormCalibrator(model)
  subset = np.random.default_rng([seed, 2]).permutation(len(labels))[:_CALIBRATION_IMAGES]
  clock = Clock(progress or logging.info, epochs, steps)

  if checkpoint_dir is not None:
    settings = (epochs, batch_size, learning_rate, seed, len(images), len(validation_labels))
    data = (labels, np.asarray(images[np.arange(min(16, len(labels)))]), validation_labels)
    run.resume(Path(checkpoint_dir) / "training.npz", digest(settings, data, run.model()))
  for epoch in range(len(run.history), epochs):
    losses, hits = [], []
    for i, batch in enumerate(_batches(images, labels, batch_size, rank, seed, epoch)):
      loss, accuracy = (float(value) for value in step(*batch))
      _check_finite(loss, f"epoch {epoch + 1}, step {i + 1}", learning_rate)
      losses.append(loss)
      hits.append(accuracy)
      clock.step(epoch, i, loss, accuracy)
    calibrator(images, batch_size, subset)
    logits = predictor(validation_images, batch_size)
    validation_loss = _cross_entropy(logits, validation_labels)
    # ReLU turns NaN into 0: the weights can be lost while the loss looks sound.
    total = sum(float(tf.reduce_sum(weight)) for weight in model.weights)
    _check_finite(validation_loss + total, f"the end of epoch {epoch + 1}", learning_rate)
    row = {
      "epoch": epoch + 1,
      "loss": float(np.mean(losses)),
      "accuracy": float(np.mean(hits)),
      "validation_loss": validation_loss,
      "validation_accuracy": float(np.mean(logits.argmax(-1) == validation_labels)),
    }
    run.end_epoch(row)
    clock.epoch(row)
  run.restore_best()
  calibrator(images, batch_size)
  return run.history


def _optimizer(learning_rate: float, steps: int) -> keras.optimizers.Optimizer:
  warm_up = max(steps // 20, 1)
  schedule = keras.optimizers.schedules.CosineDecay(
    learning_rate / 10, max(steps - warm_up, 1), warmup_target=learning_rate, warmup_steps=warm_up
  )
  kind = keras.optimizers.Adam if tf.distribute.has_strategy() else Adam
  return kind(schedule)


def _train_step(
  model: keras.Model, optimizer: keras.optimizers.Optimizer, strategy: tf.distribute.Strategy
) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
  replicas = strategy.num_replicas_in_sync

  def on_replica(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    if replicas > 1:
      own = tf.distribute.get_replica_context().replica_id_in_sync_group
      images, labels = images[own::replicas], labels[own::replicas]  # [B / R, ...]
    with fast_kernels(model), tf.GradientTape() as tape:
      logits = model(images, training=True)  # [B / R, K]
      losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)  # [B / R]
      loss = tf.reduce_mean(losses)
      share = loss / replicas  # the optimizer adds the replicas' gradients up
    optimizer.apply(tape.gradient(share, model.trainable_variables), model.trainable_variables)
    hits = tf.equal(tf.argmax(logits, -1, tf.int32), labels)  # [B / R]
    return loss, tf.reduce_mean(tf.cast(hits, tf.float32))

  def step(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    loss, accuracy = strategy.run(on_replica, (images, labels))
    return strategy.reduce("MEAN", loss, None), strategy.reduce("MEAN", accuracy, None)

  # XLA is for accelerators, one at a time: on a CPU oneDNN's plain graph is several times faster.
  compiled = replicas == 1 and bool(tf.config.list_logical_devices("GPU"))
  return tf.function(step, jit_compile=compiled)  # type: ignore[no-any-return]


def _batches(
  images: Any, labels: np.ndarray, batch_size: int, rank: int, seed: int, epoch: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
  """The epoch's shuffled, augmented batches; the next is made while the last one trains."""
  order = np.random.default_rng([seed, epoch, 0]).permutation(len(labels))
  draws = augmentation.draws(seed, epoch, len(labels), rank)

  def batch(start: int) -> tuple[np.ndarray, np.ndarray]:
    part = order[start : start + batch_size]
    pixels = np.asarray(images[part], np.float32)  # [B, ..., C]
    return augmentation.augment(pixels, draws[part]), labels[part]

  starts = range(0, len(labels) - batch_size + 1, batch_size)
  with ThreadPoolExecutor(1) as pool:
    ahead = pool.submit(batch, starts[0])
    for following in (*starts[1:], None):
      ready = ahead.result()
      if following is not None:
        ahead = pool.submit(batch, following)
      yield ready


def _cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
  losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)  # [N]
  return float(tf.reduce_mean(losses))


def _check_finite(loss: float, where: str, learning_rate: float) -> None:
  if not np.isfinite(loss):
    raise InputError(
      expected="finite loss and weights",
      found=f"{loss} at {where}",
      remedy=f"look for NaN in the images or lower the learning rate ({learning_rate:g})",
    )


def _checked_labels(model: keras.Model, images: Any, labels: np.ndarray, which: str) -> np.ndarray:
  labels = np.asarray(labels)
  classes = model.output_shape[-1]
  if not 0 < len(labels) == len(images):
    raise InputError(
      expected=f"as many {which} labels as images, at least one",
      found=f"{len(labels)} labels for {len(images)} images",
      remedy="check the split",
    )
  if labels.min() < 0 or labels.max() >= classes:
    raise InputError(
      expected=f"{which} labels from 0 to {classes - 1}",
      found=f"{labels.min()} to {labels.max()}",
      remedy="number the classes from 0 and give the model one unit for each",
    )
  return labels.astype(np.int32)
