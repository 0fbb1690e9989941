"""Who works on chunks: this process, or whoever `executor` is told to ask."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import queue
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.errors import InputError

Arrays = dict[str, np.ndarray[Any, Any]]
Chunk = dict[str, Any]
Work = Callable[..., Arrays]
# To build a work takes longer than to use it; with the one being built, four are in memory at most.
RECENT = 3


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
  """A recipe of plain data: `make(**arguments)` returns the work, which turns a chunk into arrays.

  Attributes:
    make: a function of a module, which workers import under its name.
    arguments: plain values and arrays.
  """

  make: Callable[..., Work]
  arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def build(self) -> Work:
    """The work."""
    return self.make(**self.arguments)


class Executor(contextlib.AbstractContextManager["Executor"]):
  """Turns chunks into arrays: here in this process and in order, elsewhere as they are done.

  A chunk is a dictionary of what the job's work takes. Chunks may come from a generator: only a
  few are held at a time, so that an archive larger than memory streams through.
  """

  def __init__(self) -> None:
    self._jobs: dict[str, Job] = {}
    self._build = functools.lru_cache(RECENT)(Job.build)

  def job(self, key: str, make: Callable[[], Job]) -> Job:
    """The job of that key, made when it is asked for first; the most recent ones stay."""
    job = self._jobs.pop(key, None) or make()
    self._jobs[key] = job
    if len(self._jobs) > RECENT:
      del self._jobs[next(iter(self._jobs))]
    return job

  def map(self, job: Job, chunks: Iterable[Chunk]) -> Iterator[tuple[int, Arrays]]:
    """(number of the chunk, its arrays), one after the other as they are done."""
    work = self._build(job)
    for number, chunk in enumerate(chunks):
      yield number, work(**chunk)

  def close(self) -> None:
    """Gives back what the executor holds."""

  def __exit__(self, *error: object) -> None:
    self.close()


class Devices(Executor):
  """Each GPU of this host (without any: each logical CPU) serves chunks from a copy of its own.

  Chunks exchange nothing, so that none waits for another, as the replicas of a strategy would.
  """

  def __init__(self) -> None:
    super().__init__()
    self._names = _devices()
    self._pool = ThreadPoolExecutor(len(self._names))
    self._copies = {name: functools.lru_cache(RECENT)(Job.build) for name in self._names}

  def map(self, job: Job, chunks: Iterable[Chunk]) -> Iterator[tuple[int, Arrays]]:
    """As devices are done with them."""
    free: queue.SimpleQueue[tuple[str, Work]] = queue.SimpleQueue()
    for name in self._names:
      with tf.device(name):
        free.put((name, self._copies[name](job)))

    def serve(chunk: Chunk) -> Arrays:
      name, work = free.get()
      try:
        with tf.device(name):
          return work(**chunk)
      finally:
        free.put((name, work))

    return streamed(
      chunks,
      lambda chunk: self._pool.submit(serve, chunk),
      lambda futures: next(iter(wait(futures, return_when=FIRST_COMPLETED).done)),
      Future.result,
      Future.cancel,
      lambda: 2 * len(self._names),
    )

  def close(self) -> None:
    """Ends the threads; chunks that wait are dropped."""
    self._pool.shutdown(cancel_futures=True)


def streamed(
  chunks: Iterable[Chunk],
  submit: Callable[[Chunk], Any],
  finished: Callable[[list[Any]], Any],
  result: Callable[[Any], Arrays],
  drop: Callable[[Any], Any],
  most: Callable[[], int],
) -> Iterator[tuple[int, Arrays]]:
  """(number, arrays) as chunks are done, `most()` of them on their way at any time.

  Chunks are taken one by one, when there is room; `submit` returns a handle, `finished` waits for
  one of several, whose arrays `result` gives; `drop` gets those that an error leaves behind.
  """
  waiting: dict[Any, int] = {}

  def one_done() -> tuple[int, Arrays]:
    handle = finished(list(waiting))
    return waiting.pop(handle), result(handle)

  try:
    for number, chunk in enumerate(chunks):
      while len(waiting) >= most():
        yield one_done()
      waiting[submit(chunk)] = number
    while waiting:
      yield one_done()
  finally:
    for handle in waiting:
      drop(handle)


def executor(
  kind: str | None = None,
  *,
  ray_address: str | None = None,
  workers: int | None = None,
  threads: int = 1,
) -> Executor:
  """Who works by the flag --distribute: None, this process; "mirrored", every device of this host;
  "ray", a cluster, whose other arguments are those of `Ray`.
  """
  if kind is None:
    return Executor()
  if kind == "mirrored":
    return Devices()
  if kind == "ray":
    from hfc_tf.distribute.cluster import Ray

    return Ray(ray_address, workers=workers, threads=threads)
  raise InputError("--distribute among ray, mirrored", repr(kind), "name one of them")


@functools.cache  # a second MirroredStrategy would share the keys of the first one's exchanges
def strategy(kind: str | None) -> tf.distribute.Strategy:
  """How a classifier trains: on every device of this host for "mirrored", else on one.

  Build the model and train it under `strategy(...).scope()`.
  """
  if kind != "mirrored":
    return tf.distribute.get_strategy()
  return tf.distribute.MirroredStrategy(_devices())


def _devices() -> list[str]:
  devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
  return [device.name for device in devices]
