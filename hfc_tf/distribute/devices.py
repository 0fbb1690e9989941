"""Every device of this host."""

from __future__ import annotations

import functools
import queue
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import tensorflow as tf

from hfc_tf.distribute.executors import RECENT, Arrays, Chunk, Executor, Job, Work, streamed


def _devices() -> list[str]:
  devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
  return [device.name for device in devices]


class Devices(Executor):
  """Each GPU of this host (without any: each logical CPU) serves chunks from a copy of its own.

  Chunks exchange nothing, so that none waits for another, as the replicas of a strategy would.
  """

  def __init__(self) -> None:
    super().__init__()
    self._names = _devices()
    self._pool = ThreadPoolExecutor(len(self._names))
    self._copy = functools.lru_cache(RECENT * len(self._names))(self._built)

  @staticmethod
  def _built(name: str, job: Job) -> Work:
    with tf.device(name):
      return job.build()

  def map(self, job: Job, chunks: Iterable[Chunk]) -> Iterator[tuple[int, Arrays]]:
    """As devices are done with them."""
    free: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in self._names:
      self._copy(name, job)
      free.put(name)

    def serve(chunk: Chunk) -> Arrays:
      name = free.get()
      try:
        with tf.device(name):
          return self._copy(name, job)(**chunk)
      finally:
        free.put(name)

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


@functools.cache  # a second MirroredStrategy would share the keys of the first one's exchanges
def strategy(kind: str | None) -> tf.distribute.Strategy:
  """How a classifier trains: on every device of this host for "mirrored", else on one.

  Build the model and train it under `strategy(...).scope()`.
  """
  if kind != "mirrored":
    return tf.distribute.get_strategy()
  return tf.distribute.MirroredStrategy(_devices())
