"""Attacked and noisy images, made chunk by chunk, and what the classifier says of them."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from absl import logging

from hfc_tf.attacks import Attack, sign_noise
from hfc_tf.errors import InputError
from hfc_tf.study.stages import Array, Sources, Subject
from hfc_tf.study.store import Arrays, Store
from hfc_tf.taps import Taps


def adversarials(
  store: Store,
  sources: Sources,
  subject: Subject,
  attack: Attack,
  described: dict[str, Any],
  rows: Array,
  targets: Array,
  batch_size: int,
) -> Array:
  """Attacked images float32 [N, ...] in [0, 1], made and kept chunk by chunk.

  A chunk holds images that share a target, so that a run that was killed goes on with the next.
  """
  result: Array | None = None
  chunks = [
    members[start : start + batch_size]
    for target in np.unique(targets)
    for members in [np.flatnonzero(targets == target)]
    for start in range(0, len(members), batch_size)
  ]
  begun, made = time.monotonic(), 0
  for number, chunk in enumerate(chunks):
    clean = sources.dataset.images(rows[chunk], subject.channels)
    inputs = {
      "data": sources.key,
      "classifier": subject.key,
      "rows": rows[chunk],
      "targets": targets[chunk],
      "chunk": batch_size,
      **described,
    }

    def compute(clean: Array = clean, chunk: Array = chunk) -> Arrays:
      nonlocal made
      made += 1
      return {"images": attack(clean, targets[chunk], ids=rows[chunk])}

    images = store.arrays("adversarials", 1, inputs, compute)[0]["images"]
    if result is None:
      result = np.empty((len(rows), *images.shape[1:]), np.float32)
    result[chunk] = images
    if made:
      left = (time.monotonic() - begun) / made * (len(chunks) - number - 1)
      logging.log_every_n_seconds(
        logging.INFO, "%s: chunk %d of %d, %.0f s left", 10,
        described["label"], number + 1, len(chunks), left,
      )  # fmt: skip
  if result is None:
    raise InputError("at least one image to attack", "none", "give more Test images")
  return result


def noisy(sources: Sources, subject: Subject, rows: Array, eps: float, seed: int) -> Array:
  """Clean images with random noise of the attack's size."""
  return sign_noise(sources.dataset.images(rows, subject.channels), eps, rows, seed)


def image_taps(
  subject: Subject, images: Array, labels: Array, groups: Array | None, batch_size: int
) -> tuple[Taps, Array]:
  """Taps of images, and the classes predicted once they are rounded to 8 bits."""
  taps = subject.model.taps(images, labels, groups=groups, batch_size=batch_size)
  rounded = (np.rint(images * 255) / 255).astype(np.float32)
  return taps, subject.model.taps(rounded, labels, batch_size=batch_size).predictions
