"""Attacked and noisy images, made chunk by chunk, and what the classifier says of them."""

from __future__ import annotations

import copy
import dataclasses
import functools
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from absl import logging

from hfc_tf.attacks import Attack, sign_noise
from hfc_tf.attacks.export import NUMBERS, numbers
from hfc_tf.distribute import Executor, jobs
from hfc_tf.distribute.executors import Chunk
from hfc_tf.distribute.memory import automatic_batch_size, halve_on_oom
from hfc_tf.errors import InputError
from hfc_tf.storage.arrays import Arrays, mapped_array
from hfc_tf.storage.hashing import digest
from hfc_tf.storage.keys import VERSIONS
from hfc_tf.storage.store import Store
from hfc_tf.study.stages import Array, Sources, Subject
from hfc_tf.taps import Taps

_BLOCK = 512  # images that are rounded at a time
_CHANGES = ("batch_size", "weights", *NUMBERS)  # without a new program


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
    described: the attack's "label", and what the result depends on beside attack and classifier.
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

  @functools.cached_property
  def inputs(self) -> dict[str, Any]:
    """All that the images depend on beside rows and targets."""
    settings = {**self.attack.describe(), "batch_size": self.size}
    model = self.subject.inputs(self.attack.model)
    return {"data": self.sources.key, **model, "attack": settings, **self.described}

  def gathered(self, executor: Executor | None) -> Array:
    """All images; what the store does not hold yet is made, by one process at a time."""
    shape = self._images(self.rows[:1]).shape[1:]
    result = mapped_array(self.store.root, (len(self.rows), *shape))
    for some in np.array_split(np.flatnonzero(~self.aimed), 1 + len(self.rows) // _BLOCK):
      result[some] = self._images(self.rows[some])
    if missing := self._read(result, range(len(self.members))):
      work = {**self.inputs, "rows": self.rows, "targets": self.targets}
      with self.store.lock("adversarials", work):
        self._make(result, self._read(result, missing), executor)
    return result

  def _read(self, result: Array, numbers: Iterable[int]) -> list[int]:
    """Copies the chunks of these numbers that the store holds; returns the others' numbers."""
    missing = []
    for number in numbers:
      found = self.store.kept_arrays(*self._named(number))
      if found is None:
        missing.append(number)
      else:
        result[self.members[number]] = found["images"]
    return missing

  def _make(self, result: Array, missing: list[int], executor: Executor | None) -> None:
    shape, begun = result.shape[1:], time.monotonic()
    for done, (position, arrays) in enumerate(self._made(missing, shape, executor), 1):
      number = missing[position]
      result[self.members[number]] = self._kept(number, arrays)
      left = (time.monotonic() - begun) / done * (len(missing) - done)
      logging.log_every_n_seconds(
        logging.INFO, "%s: chunk %d of %d, %.0f s left", 10,
        self.described["label"], len(self.members) - len(missing) + done, len(self.members), left,
      )  # fmt: skip

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
      settings = self.attack.describe()
      own = {name: value for name, value in settings.items() if name not in _CHANGES}
      job = executor.job(
        digest("attack", self.subject.inputs(self.attack.model), own, shape, self.size),
        lambda: jobs.attack_job(self.attack, self.size, shape),
      )
      given = numbers(self.attack)
      yield from executor.map(job, (chunk | given for chunk in chunks))

  def _kept(self, number: int, arrays: Arrays) -> Array:
    """A chunk's images, now in the store: those that another process put there, or the given."""
    return self.store.arrays(*self._named(number), lambda: arrays)[0]["images"]

  def _named(self, number: int) -> tuple[str, int, dict[str, Any]]:
    """Stage, version and inputs of a chunk."""
    members = self.members[number]
    chunk = {"rows": self.rows[members], "targets": self.targets[members]}
    return "adversarials", VERSIONS["adversarials"], {**self.inputs, **chunk}


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

  inputs = {
    **subject.inputs(attack.model),
    "shape": shape,
    "attack": {**attack.describe(), **described},
  }
  found, _ = store.arrays("batch_size", VERSIONS["batch_size"], inputs, compute)
  return int(found["batch_size"])


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
  model, starts = subject.model, range(0, len(images), _BLOCK)
  rounded = ((np.rint(images[i : i + _BLOCK] * 255) / 255).astype(np.float32) for i in starts)
  if executor is None:
    taps = model.taps(images, labels, groups=groups, batch_size=batch_size)
    parts = [model.taps(block, batch_size=batch_size).predictions for block in rounded]
    return taps, np.concatenate(parts)
  shape = images.shape[1:]
  job = executor.job(
    digest("taps", subject.inputs(), shape, batch_size),
    lambda: jobs.taps_job(model, batch_size, shape),
  )
  taps = jobs.taps(executor, job, model, images, labels, groups=groups, batch_size=batch_size)
  return taps, jobs.taps(executor, job, model, rounded, batch_size=batch_size).predictions
