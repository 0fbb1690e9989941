"""What makes an attack look weak, or a detector good, for the wrong reason: it is said, not hidden.

Most of these mistakes are those that users of attack libraries report again and again; the list
follows Carlini et al., On Evaluating Adversarial Robustness (2019), and AutoAttack's checks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.evaluation.metrics import auc, wilson
from hfc_tf.taps import TappedModel

Array = np.ndarray[Any, Any]
_ROUNDING = 1e-6  # of float32 sums in [0, 1]
_ABOVE_CHANCE = 0.1  # of the way from chance to a balanced accuracy of 1
_SILENT = 0.05  # share of images without a gradient from which on it is said
_LOST = 0.1  # share of images that do not survive being stored before it is said
_WEAKER = 0.05  # how much better half the steps may do before it is said


def untrained(accuracy: float, labels: Array) -> Iterator[str]:
  """Says when an accuracy on labels `[N]` is no better than always naming the commonest class."""
  commonest = float(np.bincount(labels).max()) / len(labels)
  interval = wilson(round(accuracy * len(labels)), len(labels))
  if interval is not None and interval[0] <= commonest:
    yield (
      f"The classifier's accuracy of {accuracy:.3f} is hardly better than always naming the "
      f"commonest class ({commonest:.3f}): nothing is learnt by attacking it."
    )


def collapsed(confusion: Sequence[Sequence[int]], class_names: Sequence[str]) -> Iterator[str]:
  """Says when a classifier names one class for nearly all images, or never gets a class right.

  The confusion matrix holds counts `[K][K]`, rows by true class.
  """
  counts = np.asarray(confusion)
  totals, predicted = counts.sum(1), counts.sum(0)
  recalls = np.diag(counts) / np.maximum(totals, 1)
  balanced, chance = float(recalls[totals > 0].mean()), 1 / len(counts)
  if balanced < chance + _ABOVE_CHANCE * (1 - chance):
    share, accuracy = predicted.max() / totals.sum(), np.trace(counts) / totals.sum()
    yield (
      f"The classifier's balanced accuracy is {balanced:.3f}, near chance ({chance:.3f}), although "
      f"its accuracy is {accuracy:.3f}: {share:.0%} of Test images are taken for class "
      f"{class_names[int(predicted.argmax())]}."
    )
  for label in np.flatnonzero((totals > 0) & (recalls == 0)):
    yield (
      f"The classifier gets none of the {totals[label]} Test images of class "
      f"{class_names[int(label)]} right."
    )


def outside(name: str, clean: Array, attacked: Array, eps: float | None) -> Iterator[str]:
  """Says when attacked images `[N, ...]` leave [0, 1] or the L-infinity ball of radius eps."""
  if not attacked.size:
    return
  if not np.isfinite(attacked).all():
    yield f"{name}: some attacked images hold NaN or infinity."
    return
  if attacked.min() < 0 or attacked.max() > 1:
    yield (
      f"{name}: attacked images leave [0, 1], from {attacked.min():.4g} to {attacked.max():.4g}."
    )
  if eps is not None and (largest := float(np.abs(attacked - clean).max())) > eps + _ROUNDING:
    yield (
      f"{name}: attacked images leave the ball, by {256 * largest:.4g}/256 where "
      f"{256 * eps:.4g}/256 was allowed."
    )


def lost_as_files(attack: str, floats: float, files: float, grid: str) -> Iterator[str]:
  """Says when many attacked images, shares as floats and as files, no longer reach their target.

  `grid` is that of the files, e.g. "8 bits".
  """
  if floats - files > _LOST:
    yield (
      f"{attack} reaches its target on {floats:.0%} of images as floats, on {files:.0%} as "
      f"{grid.removesuffix('s').replace(' ', '-')} files."
    )


def coloured(grey: int) -> Iterator[str]:
  """Says when attacks change the channels of so many grey AdvTest images apart."""
  if grey:
    yield (
      f"Attacks colour {grey} grey AdvTest images (--free_channels), as in the papers: outside the "
      "threat model, since comparing two channels finds every one of them."
    )


def channels_differ(clean: Array, attacked: Array) -> float | None:
  """AUC of the rule max over pixels of (max_c x_c - min_c x_c), of attacked against clean images.

  It is 0.5 where grey images stay grey, 1 where an attack colours them. None for one channel, or
  without images.

  Args:
    clean, attacked: `[N, ..., C]` and `[M, ..., C]`, as they are.
  """
  if clean.shape[-1] == 1:
    return None
  return auc(*(np.array([np.ptp(x, axis=-1).max() for x in side]) for side in (clean, attacked)))


def silent_gradients(model: TappedModel, images: Array, targets: Array) -> Iterator[str]:
  """Says when the loss has no gradient at many images: attacks that need one then stand still.

  Of a few clean images `[N, ...]` in [0, 1] and the classes to reach `[N]`.
  """
  values = tf.constant(images)
  with tf.GradientTape(watch_accessed_variables=False) as tape:
    tape.watch(values)
    logits, _ = model(values)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)  # [B]
  gradient = tape.gradient(loss, values).numpy().reshape(len(images), -1)
  share = float(np.mean((gradient == 0).all(axis=1)))
  if share > _SILENT:
    yield (
      f"The loss has no gradient at {share:.0%} of {len(images)} images: the model masks it, and "
      "attacks fail for that reason alone."
    )


def weaker_than_half(name: str, whole: Array, half: Array) -> Iterator[str]:
  """Says when an attack succeeds less often `[N]` than with half of its steps `[N]`."""
  if len(whole) and half.mean() - whole.mean() > _WEAKER:
    yield (
      f"{name}: half of the steps reach the target on {half.mean():.0%} of {len(half)} images, "
      f"all of them on {whole.mean():.0%}: the step is too large or the attack is broken."
    )
