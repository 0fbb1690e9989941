"""Who works on chunks: this process, or whoever `executor` is told to ask."""

from __future__ import annotations

import pathlib
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Self

from hfc_tf.distribute.job import Arrays, Chunk, Job, Recent, Work
from hfc_tf.errors import InputError

_KINDS = ("ray", "mirrored")


class Executor:
  """Turns chunks into arrays, each whole on one worker, in whatever order they are done.

  A chunk is a dictionary of what the job's work takes. Chunks may come from a generator: only a
  few are held at a time, so that an archive larger than memory streams through.
  """

  def __init__(self) -> None:
    self._folder = tempfile.TemporaryDirectory()
    self._jobs = Recent[Job]()

  def job(self, key: str, make: Callable[[pathlib.Path], Job]) -> Job:
    """The job of that key; `make` is given a file to write when it is asked for first."""
    return self._jobs.get(key, lambda: make(pathlib.Path(self._folder.name) / uuid.uuid4().hex))

  def map(self, job: Job, chunks: Iterable[Chunk]) -> Iterator[tuple[int, Arrays]]:
    """(number of the chunk, its arrays), one after the other as they are done."""
    raise NotImplementedError

  def close(self) -> None:
    """Gives back what the executor holds."""
    self._folder.cleanup()

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *error: object) -> None:
    self.close()


class Local(Executor):
  """One chunk after the other in this process."""

  def __init__(self) -> None:
    super().__init__()
    self._works = Recent[Work]()

  def map(self, job: Job, chunks: Iterable[Chunk]) -> Iterator[tuple[int, Arrays]]:
    """In the order of the chunks."""
    work = self._works.get(job.key(), job.build)
    for number, chunk in enumerate(chunks):
      yield number, work(**chunk)


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
    return Local()
  if kind == "mirrored":
    from hfc_tf.distribute.devices import Devices

    return Devices()
  if kind == "ray":
    from hfc_tf.distribute.cluster import Ray

    return Ray(ray_address, workers=workers, threads=threads)
  raise InputError(f"--distribute among {', '.join(_KINDS)}", repr(kind), "name one of them")


def streamed(
  chunks: Iterable[Chunk],
  submit: Callable[[Chunk], Any],
  finished: Callable[[list[Any]], Any],
  drop: Callable[[Any], Any],
  most: Callable[[], int],
) -> Generator[tuple[int, Any], None, None]:
  """(number, what `submit` returned for it) as chunks are done, `most` of them on their way.

  Args:
    chunks: taken one by one, when there is room.
    submit: starts one and returns its handle.
    finished: waits for one of the handles and returns it.
    drop: is given the handles that nobody waits for any more, after an error.
    most: how many may be on their way now.
  """
  waiting: dict[Any, int] = {}

  def one_done() -> tuple[int, Any]:
    handle = finished(list(waiting))
    return waiting.pop(handle), handle

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
