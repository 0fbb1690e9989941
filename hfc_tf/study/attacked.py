"""Attacked and noisy images, made chunk by chunk, and what the classifier says of them."""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
import os
import pathlib
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from absl import logging

from hfc_tf.attacks import Attack, sign_noise
from hfc_tf.attacks.export import NUMBERS, numbers
from hfc_tf.distribute import Executor, jobs
from hfc_tf.distribute.job import Chunk
from hfc_tf.distribute.memory import automatic_batch_size, halve_on_oom
from hfc_tf.errors import InputError
from hfc_tf.study.stages import Array, Sources, Subject
from hfc_tf.study.store import Arrays, Store, digest
from hfc_tf.taps import Taps

_BLOCK = 512  # images that are rounded at a time
_CHANGES = ("label", "batch_size", "weights", *NUMBERS)  # without a new program


class _Missing(Exception):
  """A chunk that nobody has made yet."""


def adversarials(
  store: Store,
  sources: Sources,
  subject: Subject,
  attack: Attack,
  described: dict[str, Any],
  rows: Array,
  targets: Array,
  batch_size: int,
  executor: Executor | None = None,
) -> Array:
  """Attacked images float32 [N, ...] in [0, 1], made and kept chunk by chunk.

  A chunk holds images that share a target, so that a run that was killed goes on with the next.
  Where memory runs out, chunks of half the size are made. The images lie in a temporary file,
  mapped into memory, so that there may be more of them than memory holds. An image that is of its
  target's class stays as it is.

  Args:
    store: where chunks are kept.
    sources: the images. subject: the classifier.
    attack: what is done to them.
    described: all that `attack` depends on, in plain values.
    rows: int [N], of the data set. targets: int [N].
    batch_size: images a chunk.
    executor: who makes the missing chunks; None: this process.
  """
  if not len(rows):
    raise InputError("at least one image to attack", "none", "give more Test images")

  def run(size: int) -> Array:
    chunks = _Chunks(store, sources, subject, attack, described, rows, targets, size)
    return chunks.gathered(executor)

  return halve_on_oom(run, batch_size)[0]


@dataclasses.dataclass(frozen=True, eq=False)
class _Chunks:
  """The chunks of one call of `adversarials`, of `size` images each."""

  store: Store
  sources: Sources
  subject: Subject
  attack: Attack
  described: dict[str, Any]
  rows: Array
  targets: Array
  size: int

  @functools.cached_property
  def aimed(self) -> Array:
    """Which of the rows are attacked."""
    return np.asarray(self.targets != self.sources.dataset.labels[self.rows])

  @functools.cached_property
  def members(self) -> list[Array]:
    """Which of the rows each chunk holds."""
    return [
      members[start : start + self.size]
      for target in np.unique(self.targets)
      for members in [np.flatnonzero((self.targets == target) & self.aimed)]
      for start in range(0, len(members), self.size)
    ]

  def gathered(self, executor: Executor | None) -> Array:
    """All images; what the store does not hold yet is made."""
    shape = self._images(self.rows[:1]).shape[1:]
    result = _mapped(self.store.root, (len(self.rows), *shape))
    for some in np.array_split(np.flatnonzero(~self.aimed), 1 + len(self.rows) // _BLOCK):
      result[some] = self._images(self.rows[some])
    missing = []
    for number, members in enumerate(self.members):
      try:
        result[members] = self._kept(number, None)
      except _Missing:
        missing.append(number)
    begun = time.monotonic()
    for done, (position, arrays) in enumerate(self._made(missing, shape, executor), 1):
      number = missing[position]
      result[self.members[number]] = self._kept(number, dict(arrays))
      left = (time.monotonic() - begun) / done * (len(missing) - done)
      logging.log_every_n_seconds(
        logging.INFO, "%s: chunk %d of %d, %.0f s left", 10,
        self.described["label"], len(self.members) - len(missing) + done, len(self.members), left,
      )  # fmt: skip
    return result

  def _images(self, rows: Array) -> Array:
    return self.sources.dataset.images(rows, self.subject.channels)

  def _chunk(self, number: int) -> Chunk:
    members = self.members[number]
    return {
      "images": self._images(self.rows[members]),
      "targets": self.targets[members],
      "ids": self.rows[members],
    }

  def _made(
    self, missing: list[int], shape: tuple[int, ...], executor: Executor | None
  ) -> Iterator[tuple[int, Arrays]]:
    """Attacked chunks with their place in `missing`, in whatever order they are done."""
    chunks = (self._chunk(number) for number in missing)
    if executor is None:
      attack = copy.copy(self.attack)  # shares the compiled loop
      attack.batch_size = self.size
      for position, chunk in enumerate(chunks):
        yield position, {"images": attack(**chunk)}
    elif missing:
      own = {name: value for name, value in self.described.items() if name not in _CHANGES}
      job = executor.job(
        digest("attack", self.subject.key, own, shape, self.size),
        lambda path: jobs.attack_job(path, self.attack, self.size, shape),
      )
      given = numbers(self.attack)
      yield from executor.map(job, (chunk | given for chunk in chunks))

  def _kept(self, number: int, made: Arrays | None) -> Array:
    """The images of a chunk: those in the store, else the ones just made."""

    def compute() -> Arrays:
      if made is None:
        raise _Missing
      return made

    members = self.members[number]
    inputs = {
      "data": self.sources.key,
      "classifier": self.subject.key,
      "rows": self.rows[members],
      "targets": self.targets[members],
      "chunk": self.size,
      **self.described,
    }
    return self.store.arrays("adversarials", 1, inputs, compute)[0]["images"]


def _mapped(folder: pathlib.Path, shape: tuple[int, ...]) -> Array:
  """Float32 of that shape in a file that has no name and goes with the array."""
  with tempfile.TemporaryFile(dir=folder) as file:
    if hasattr(os, "posix_fallocate"):  # a full disk is told now, not by a signal later
      os.posix_fallocate(file.fileno(), 0, 4 * math.prod(shape))
    return np.memmap(file, np.float32, "w+", shape=shape)


def batch_size(
  store: Store, subject: Subject, attack: Attack, described: dict[str, Any], shape: tuple[int, ...]
) -> int:
  """The batch size that suits this machine's memory, found once and kept.

  The size decides bytes, so a run that goes on takes the one it began with.

  Args:
    store: where it is kept.
    subject: the classifier.
    attack: the one that takes most memory, with HFC if there is any.
    described: all that the attack's memory depends on.
    shape: of an image, (H, W, C) or (D, H, W, C).
  """

  def compute() -> Arrays:
    single = copy.copy(attack)  # shares the compiled loop; its memory does not depend on steps
    single.steps = 1

    def run(size: int) -> None:
      single.batch_size = size
      single(np.zeros((size, *shape), np.float32), 0)

    return {"batch_size": np.array(automatic_batch_size(run))}

  inputs = {"classifier": subject.key, "shape": shape, **described}
  return int(store.arrays("batch_size", 1, inputs, compute)[0]["batch_size"])


def noisy(sources: Sources, subject: Subject, rows: Array, eps: float, seed: int) -> Array:
  """Clean images with random noise of the attack's size."""
  return sign_noise(sources.dataset.images(rows, subject.channels), eps, rows, seed)


def image_taps(
  subject: Subject,
  images: Array,
  labels: Array,
  groups: Array | None,
  batch_size: int,
  executor: Executor | None = None,
) -> tuple[Taps, Array]:
  """Taps of images, and the classes predicted once they are rounded to 8 bits.

  Args:
    subject: the classifier.
    images: float32 [N, ...] in [0, 1].
    labels: int [N]. groups: int [N] or None.
    batch_size: images a chunk.
    executor: who taps; None: this process.
  """
  model = subject.model
  rounded = (
    (np.rint(images[start : start + _BLOCK] * 255) / 255).astype(np.float32)
    for start in range(0, len(images), _BLOCK)
  )
  if executor is None:
    taps = model.taps(images, labels, groups=groups, batch_size=batch_size)
    parts = [model.taps(block, batch_size=batch_size).predictions for block in rounded]
    return taps, np.concatenate(parts)
  shape = images.shape[1:]
  job = executor.job(
    digest("taps", subject.key, shape, batch_size),
    lambda path: jobs.taps_job(path, model, batch_size, shape),
  )
  taps = jobs.taps(executor, job, model, images, labels, groups=groups, batch_size=batch_size)
  return taps, jobs.taps(executor, job, model, rounded, batch_size=batch_size).predictions
