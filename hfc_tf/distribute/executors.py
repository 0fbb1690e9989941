"""Who works on chunks: this process, or whoever `executor` is told to ask."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from hfc_tf.errors import InputError
from hfc_tf.storage.hashing import digest

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

  @functools.cached_property
  def key(self) -> str:
    """Hashes the function's name and the arguments; jobs of equal keys are equal."""
    return digest(self.make.__module__, self.make.__qualname__, self.arguments)

  def __eq__(self, other: object) -> bool:
    return isinstance(other, Job) and self.key == other.key

  def __hash__(self) -> int:
    return hash(self.key)

  def build(self) -> Work:
    """The work."""
    return self.make(**self.arguments)


class Executor:
  """Turns chunks into arrays: here in this process and in order, elsewhere as they are done.

  A chunk is a dictionary of what the job's work takes. Chunks may come from a generator: only a
  few are held at a time, so that an archive larger than memory streams through.
  """

  def __init__(self) -> None:
    self._jobs: dict[str, Job] = {}
    self._build = functools.lru_cache(RECENT)(Job.build)

  def job(self, key: str, make: Callable[[], Job]) -> Job:
    """The job of that key, made when it is asked for first; the most recent ones stay."""
    job = self._jobs[key] = self._jobs.pop(key, None) or make()
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

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *error: object) -> None:
    self.close()


def executor(
  kind: str | None = None,
  *,
  ray_address: str | None = None,
  workers: int | None = None,
  threads: int = 1,
) -> Executor:
  """The executor of the flags --distribute, --ray_address, --workers and --threads.

  Args:
    kind: None: this process. "mirrored": every device of this host. "ray": a Ray cluster.
    ray_address: of a running cluster ("auto", "host:6379"); None starts one on this
      machine for as long as the executor lives.
    workers: of a cluster that is started here; None: as many as the processors hold.
    threads: of each Ray worker's TensorFlow. Bytes are those of one process of as many threads.

  Raises:
    InputError: for another kind, for Ray where it is not installed or cannot be reached.
  """
  if kind is None:
    return Executor()
  if kind == "mirrored":
    from hfc_tf.distribute.devices import Devices

    return Devices()
  if kind == "ray":
    from hfc_tf.distribute.cluster import Ray

    return Ray(ray_address, workers=workers, threads=threads)
  raise InputError("--distribute among ray, mirrored", repr(kind), "name one of them")


def streamed(
  chunks: Iterable[Chunk],
  submit: Callable[[Chunk], Any],
  finished: Callable[[list[Any]], Any],
  result: Callable[[Any], Arrays],
  drop: Callable[[Any], Any],
  most: Callable[[], int],
) -> Iterator[tuple[int, Arrays]]:
  """(number, arrays) as chunks are done, `most()` of them on their way at any time.

  Args:
    chunks: taken one by one, when there is room.
    submit: starts one and returns its handle.
    finished: waits for one of the handles and returns it.
    result: the arrays of a finished handle.
    drop: is given the handles that nobody waits for any more, after an error.
    most: how many may be on their way now.
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
