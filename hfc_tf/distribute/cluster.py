"""A Ray cluster: it places work, and does again what a lost machine had not finished."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Iterable, Iterator
from typing import Any

from absl import logging

from hfc_tf.distribute.executors import RECENT, Arrays, Chunk, Executor, Job, Work, streamed
from hfc_tf.errors import InputError

_RETRIES = 3
_SECONDS = 20.0  # until nobody answers at an address
# Ray trusts whoever can reach it. It replaces 127.0.0.1 by an address that others may reach.
_LOOPBACK = "127.0.0.2"


class Ray(Executor):
  """Chunks as Ray tasks: one at a time in a worker process, which keeps the work it has built.

  Ray runs a chunk again, elsewhere, when its process or machine is lost. Every worker has the
  same number of TensorFlow threads and deterministic operations, whatever machine it is on, and
  makes the bytes of one process of as many threads; hfc_tf has to be installed there.

  Args:
    address: of a running cluster ("auto", "host:6379"); None starts one on this machine's loopback
      address, for as long as the executor lives.
    workers: processes of a cluster that is started here; None: as many as there is room for.
    threads: of each worker. A worker takes a GPU where the cluster has any.

  Raises:
    InputError: where Ray is not installed, not reached, or no machine has `threads` processors.
  """

  def __init__(
    self, address: str | None = None, *, workers: int | None = None, threads: int = 1
  ) -> None:
    super().__init__()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves the cluster
    try:
      import ray
    except ImportError as error:
      raise InputError(
        "Ray for --distribute=ray", str(error), "pip install 'hfc_tf[ray]', or leave the flag out"
      ) from error
    self._ray: Any = ray
    self._threads = threads
    self._put = functools.lru_cache(RECENT)(ray.put)
    self._started = not ray.is_initialized()
    if self._started:
      self._start(address, workers)
    if not self._slots():
      self.close()
      raise _no_room(threads, "none in the cluster")

  def _start(self, address: str | None, workers: int | None) -> None:
    settings: dict[str, Any] = {"configure_logging": False, "log_to_driver": False}
    if address is None:
      if self._threads > (os.cpu_count() or 1):
        raise _no_room(self._threads, f"{os.cpu_count()} on this machine")
      settings["num_cpus"] = None if workers is None else workers * self._threads
      settings |= {"include_dashboard": False, "_node_ip_address": _LOOPBACK}
      # Ray's 15 would give workers next to nothing of a machine that others use too.
      os.environ.setdefault("RAY_worker_niceness", "0")
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    try:
      if host and port.isdigit():  # where nobody listens, Ray itself would try for minutes
        socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS).close()
      self._ray.init(address=address or "local", **settings)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
      raise InputError(
        f"a Ray cluster at {address or 'this machine'}",
        str(error)[:200],
        "check --ray_address, or leave it out to start one here",
      ) from error
    logging.info("Ray: %d workers of %d threads", self._slots(), self._threads)

  def _gpus(self) -> int:
    return int(self._ray.cluster_resources().get("GPU", 0))

  def _slots(self) -> int:
    """How many workers fit on the machines that are there now."""
    machines = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
    workers = sum(int(machine.get("CPU", 0)) // self._threads for machine in machines)
    return min(workers, self._gpus()) if self._gpus() else workers

  def map(self, job: Job, chunks: Iterable[Chunk]) -> Iterator[tuple[int, Arrays]]:
    """As workers are done with them; arrays are read-only."""
    ray, reference = self._ray, self._put(job)
    threads = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
    environment = {"TF_DETERMINISTIC_OPS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    perform = ray.remote(_perform).options(
      num_cpus=self._threads,
      num_gpus=1 if self._gpus() else 0,
      max_retries=_RETRIES,
      runtime_env={"env_vars": environment | dict.fromkeys(threads, str(self._threads))},
    )
    return streamed(
      chunks,
      # In a list, a reference is fetched by those who have not built the work yet.
      lambda chunk: perform.remote([reference], chunk),
      lambda references: ray.wait(references, num_returns=1)[0][0],
      self._result,
      ray.cancel,
      lambda: 2 * max(1, self._slots()),
    )

  def _result(self, reference: Any) -> Arrays:
    errors = self._ray.exceptions
    try:
      arrays: Arrays = self._ray.get(reference)
    except errors.RayTaskError as error:
      if isinstance(error.cause, errors.RaySystemError | ImportError):
        raise InputError(
          "workers that can load the job",
          str(error.cause).splitlines()[0],
          "install hfc_tf, and the module of the job, on every machine",
        ) from error
      if isinstance(error.cause, BaseException):
        raise error.cause from error
      raise
    except errors.OutOfMemoryError as error:
      raise MemoryError(str(error)) from error
    except errors.RayError as error:
      raise InputError(
        f"workers that stay alive; a chunk was lost {_RETRIES + 1} times",
        type(error).__name__,
        "look at the machines and start again: finished chunks are kept",
      ) from error
    return arrays

  def close(self) -> None:
    """Leaves the cluster, and ends one that was started here."""
    if self._started:
      self._ray.shutdown()


def _no_room(threads: int, actual: str) -> InputError:
  expected = f"a machine with {threads} processors for a worker of --threads={threads}"
  return InputError(expected, actual, "lower --threads")


def _perform(job: list[Any], chunk: Chunk) -> Arrays:
  """What a worker process does."""
  return _built(job[0])(**chunk)


@functools.lru_cache(RECENT)
def _built(job: Any) -> Work:
  import ray

  work: Work = ray.get(job).build()
  return work
