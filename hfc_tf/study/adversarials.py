"""Attacked images, made chunk by chunk, and what the classifier says of them."""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from hfc_tf import progress
from hfc_tf.attacks import Attack
from hfc_tf.attacks.balls import on_grid
from hfc_tf.attacks.export import NUMBERS, numbers
from hfc_tf.distribute import Executor, jobs
from hfc_tf.distribute.executors import Chunk
from hfc_tf.distribute.memory import automatic_batch_size, halve_on_oom
from hfc_tf.errors import InputError
from hfc_tf.storage.arrays import mapped_array
from hfc_tf.storage.hashing import digest
from hfc_tf.storage.keys import VERSIONS
from hfc_tf.storage.store import Store
from hfc_tf.study.sources import Sources
from hfc_tf.study.stages import BATCH_SIZE, Array
from hfc_tf.study.victim import Victim
from hfc_tf.taps import Taps

_BLOCK = 512  # images that are copied or rounded at a time
_CHANGES = ("batch_size", "weights", *NUMBERS)  # without a new program


def attack_images(
  store: Store,
  sources: Sources,
  victim: Victim,
  attack: Attack,
  described: dict[str, Any],
  rows: Array,
  targets: Array,
  batch_size: int,
  executor: Executor | None = None,
) -> Array:
  """Attacked images float32 [N, ...] in [0, 1], made and stored chunk by chunk.

  A chunk holds images that share a target, grey ones (attacked in one channel) apart from others,
  so that a run that was killed goes on with the next. Where memory runs out, chunks of half the
  size are made. The images lie in a temporary file, mapped into memory. An image that is of its
  target's class stays as it is.

  Args:
    described: the attack's "label", and what the result depends on beside attack and classifier.
    rows, targets: int [N]; rows of the data set.
    batch_size: images a chunk.
    executor: who makes the missing chunks; None: this process.
  """
  if not len(rows):
    raise InputError("at least one image to attack", "none", "give more Test images")
  aimed = targets != sources.dataset.labels[rows]
  grey = grey_images(sources, victim, rows, attack.free_channels)

  def images(some: Array) -> Array:
    return sources.dataset.images(rows[some], victim.channels)

  def chunk(members: Array) -> Array:
    return images(members)[..., : 1 if grey[members[0]] else None]

  def run(size: int) -> Array:
    result = mapped_array(store.root, (len(rows), *images(np.arange(1)).shape[1:]))
    for some in np.array_split(np.flatnonzero(~aimed), 1 + len(rows) // _BLOCK):
      result[some] = images(some)
    chunks = [
      members[start : start + size]
      for target in np.unique(targets)
      for kind in (False, True)
      for members in [np.flatnonzero((targets == target) & (grey == kind) & aimed)]
      for start in range(0, len(members), size)
    ]
    inputs = {
      "data": sources.key,
      **victim.inputs(attack.model),
      "attack": {**attack.describe(), "batch_size": size},
      **described,
    }

    def place(members: Array) -> tuple[str, int, dict[str, Any]]:
      of_chunk = {"rows": rows[members], "targets": targets[members]}
      return "adversarials", VERSIONS["adversarials"], {**inputs, **of_chunk}

    def read(members: Array) -> bool:
      stored = store.kept_arrays(*place(members))
      if stored is not None:
        result[members] = stored["images"]  # one channel fills three
      return stored is not None

    missing, passes = [each for each in chunks if not read(each)], progress.STEP * attack.steps
    left = sum(map(len, missing))
    progress.current.expect((left - sum(map(len, chunks))) * passes)
    if missing:
      with store.lock("adversarials", {**inputs, "rows": rows, "targets": targets}):
        missing = [each for each in missing if not read(each)]
        alike = [[each for each in missing if grey[each[0]] == kind] for kind in (False, True)]

        def made(members: list[Array]) -> Iterator[tuple[Array, dict[str, Array]]]:
          given = (
            {"images": chunk(some), "targets": targets[some], "ids": rows[some]} for some in members
          )
          shape = chunk(members[0][:1]).shape[1:]
          numbered = _attacked(victim, attack, given, size, shape, executor)
          yield from ((members[number], arrays) for number, arrays in numbered)

        progress.current.report(
          f"{described['label']}: {left} images in {attack.steps} steps", at_once=True
        )
        everything = itertools.chain.from_iterable(made(kind) for kind in alike if kind)
        for done, (members, arrays) in enumerate(everything, 1):
          stored, _ = store.arrays(*place(members), functools.partial(dict, arrays))
          result[members] = stored["images"]
          left -= len(members)
          progress.current.advance(len(members) * passes, left * passes)
          progress.current.report(
            f"{described['label']}: chunk {len(chunks) - len(missing) + done} of {len(chunks)}"
          )
    return result

  return halve_on_oom(run, batch_size)[0]


def grey_images(sources: Sources, victim: Victim, rows: Array, free_channels: bool) -> Array:
  """Which images an attack changes in one channel for the three of the classifier, bool [N]."""
  if free_channels or victim.channels == 1:
    return np.zeros(len(rows), bool)
  return sources.dataset.grey(rows)


def stored_images(
  store: Store, images: Array, clean: Callable[[Array], Array], eps: float | None, levels: int
) -> Array:
  """Attacked images [N, ...] as files hold them, see `on_grid`, in a temporary file.

  `clean` gives clean images by their number.
  """
  stored = mapped_array(store.root, images.shape)
  for some in np.array_split(np.arange(len(images)), 1 + len(images) // _BLOCK):
    stored[some] = on_grid(images[some], clean(some), eps, levels)
  return stored


def _attacked(
  victim: Victim,
  attack: Attack,
  chunks: Iterator[Chunk],
  size: int,
  shape: tuple[int, ...],
  executor: Executor | None,
) -> Iterator[tuple[int, dict[str, Array]]]:
  """Attacked chunks with their number, in whatever order they are done."""
  if executor is None:
    attack = copy.copy(attack)  # shares the compiled loop
    attack.batch_size = size
    yield from ((number, {"images": attack(**chunk)}) for number, chunk in enumerate(chunks))
    return
  settings = attack.describe()
  compiled = {name: value for name, value in settings.items() if name not in _CHANGES}
  job = executor.job(
    digest("attack", victim.inputs(attack.model), compiled, shape, size),
    lambda: jobs.attack_job(attack, size, shape),
  )
  given = numbers(attack)
  yield from executor.map(job, (chunk | given for chunk in chunks))


def batch_size(store: Store, victim: Victim, attack: Attack, shape: tuple[int, ...]) -> int:
  """The batch size that suits this machine's memory, found once: it decides bytes.

  Measured with this attack on black images of the shape (H, W, C) or (D, H, W, C).
  """

  def compute() -> dict[str, Array]:
    single = copy.copy(attack)  # shares the compiled loop; its memory does not depend on steps
    single.steps = 1

    def run(size: int) -> None:
      single.batch_size = size
      single(np.zeros((size, *shape), np.float32), 0)

    return {"batch_size": np.array(automatic_batch_size(run))}

  inputs = {**victim.inputs(attack.model), "shape": shape, "attack": attack.describe()}
  arrays, _ = store.arrays("batch_size", VERSIONS["batch_size"], inputs, compute)
  return int(arrays["batch_size"])


def image_taps(
  victim: Victim,
  images: Array,
  labels: Array,
  groups: Array | None,
  executor: Executor | None = None,
  levels: int | None = None,
) -> tuple[Taps, Array]:
  """Taps of images [N, ...] in [0, 1], and the classes predicted once rounded to 8 bits.

  Images on a grid of 255 `levels` are rounded already.
  """
  model, shape = victim.model, images.shape[1:]
  blocks = (images[start : start + _BLOCK] for start in range(0, len(images), _BLOCK))
  rounded = ((np.rint(block * 255) / 255).astype(np.float32) for block in blocks)
  if executor is None:
    taps = model.taps(images, labels, groups=groups, batch_size=BATCH_SIZE)
    if levels == 255:
      return taps, taps.predictions
    predictions = [model.taps(block, batch_size=BATCH_SIZE).predictions for block in rounded]
    return taps, np.concatenate(predictions)
  job = executor.job(
    digest("taps", victim.inputs(), shape, BATCH_SIZE),
    lambda: jobs.taps_job(model, BATCH_SIZE, shape),
  )
  taps = jobs.taps(executor, job, model, images, labels, groups=groups, batch_size=BATCH_SIZE)
  if levels == 255:
    return taps, taps.predictions
  return taps, jobs.taps(executor, job, model, rounded, batch_size=BATCH_SIZE).predictions
