"""Every device of this host."""

from __future__ import annotations

import contextlib
import functools
import queue
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

import tensorflow as tf

from hfc_tf.distribute.executors import Executor, streamed
from hfc_tf.distribute.job import Arrays, Chunk, Job, Recent, Work


class Devices(Executor):
  """Each GPU of this host (without any: each logical CPU) serves chunks from a copy of its own.

  Chunks exchange nothing, so that none waits for another, as the replicas of a strategy would.
  """

  def __init__(self) -> None:
    super().__init__()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    self._names = [device.name for device in devices]
    self._works = {name: Recent[Work]() for name in self._names}
    self._pool = ThreadPoolExecutor(len(devices))

  def map(self, job: Job, chunks: Iterable[Chunk]) -> Iterator[tuple[int, Arrays]]:
    """As devices are done with them."""
    key = job.key()
    free: queue.SimpleQueue[tuple[str, Work]] = queue.SimpleQueue()
    for name in self._names:
      with tf.device(name):
        free.put((name, self._works[name].get(key, job.build)))

    def serve(chunk: Chunk) -> Arrays:
      name, work = free.get()
      try:
        with tf.device(name):
          return work(**chunk)
      finally:
        free.put((name, work))

    def first(futures: list[Future[Any]]) -> Future[Any]:
      return next(iter(wait(futures, return_when=FIRST_COMPLETED).done))

    on_their_way = streamed(
      chunks,
      lambda chunk: self._pool.submit(serve, chunk),
      first,
      Future.cancel,
      lambda: 2 * len(self._names),
    )
    with contextlib.closing(on_their_way):
      for number, future in on_their_way:
        yield number, future.result()

  def close(self) -> None:
    """Ends the threads; chunks that wait are dropped."""
    self._pool.shutdown(cancel_futures=True)
    super().close()


@functools.cache  # a second MirroredStrategy would share the keys of the first one's exchanges
def strategy(kind: str | None) -> tf.distribute.Strategy:
  """How a classifier trains: on every device of this host for "mirrored", else on one.

  Build the model and train it under `strategy(...).scope()`.
  """
  if kind != "mirrored":
    return tf.distribute.get_strategy()
  devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
  return tf.distribute.MirroredStrategy([device.name for device in devices])
