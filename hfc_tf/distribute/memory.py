"""How much memory work takes, and how many images fit into what there is."""

from __future__ import annotations

import pathlib
import re
import resource
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import tensorflow as tf
from absl import logging

from hfc_tf.errors import InputError

Made = TypeVar("Made")
_STATUS, _MEMORY = pathlib.Path("/proc/self/status"), pathlib.Path("/proc/meminfo")
_CGROUP = pathlib.Path("/sys/fs/cgroup")
_GIB = 2.0**30
_SMALL, _LARGE = 2, 8  # images of the two batches that are measured


def _gpus() -> list[str]:
  return [device.name for device in tf.config.list_logical_devices("GPU")]


def _gib(path: pathlib.Path, field: str) -> float:
  """A field, in kB, of a file of /proc."""
  (number,) = re.findall(rf"^{field}:\s+(\d+) kB$", path.read_text(), re.MULTILINE)
  return int(number) * 1024 / _GIB


def peak_memory_gib() -> float:
  """The most memory held so far, in GiB: of the GPUs together, without any of this process."""
  if _gpus():
    info = tf.config.experimental.get_memory_info
    return float(sum(info(name)["peak"] for name in _gpus()) / _GIB)
  if _STATUS.exists():
    return _gib(_STATUS, "VmHWM")
  most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  return most * (1 if sys.platform == "darwin" else 1024) / _GIB


def reset_peak() -> None:
  """Counts the peak anew from now on, where the system can."""
  for name in _gpus():
    tf.config.experimental.reset_memory_stats(name)
  if _STATUS.exists():
    _STATUS.with_name("clear_refs").write_text("5")


def available_memory_gib() -> float | None:
  """What this process may still take, in GiB; None where nothing tells (GPUs, other systems)."""
  if _gpus() or not _MEMORY.exists():
    return None
  left = _gib(_MEMORY, "MemAvailable")
  limit, used = _CGROUP / "memory.max", _CGROUP / "memory.current"
  if limit.exists() and limit.read_text().strip() != "max":
    left = min(left, (int(limit.read_text()) - int(used.read_text())) / _GIB)
  return left


def automatic_batch_size(
  run: Callable[[int], Any], *, most: int = 64, available: float | None = None
) -> int:
  """The largest power of two whose batch takes no more than half of the free memory.

      peak(B) = peak(2) + (B - 2) (peak(8) - peak(2)) / 6

  from one small batch, which pays for weights and traces, and two that are measured. The size that
  results is then run once, and halved while it runs out of memory.

  Args:
    run: works on one batch of so many images.
    most: no batch is larger; a power of two.
    available: the free memory in GiB; None asks the system.

  Raises:
    InputError: when not even one image fits.
  """
  run(1)
  free = available_memory_gib() if available is None else available
  size = most
  if free is not None and most > _LARGE:
    peaks = []
    for measured in (_SMALL, _LARGE):
      reset_peak()
      run(measured)
      peaks.append(peak_memory_gib())
    each = max(0.0, (peaks[1] - peaks[0]) / (_LARGE - _SMALL))
    while (size - _SMALL) * each > free / 2:
      size //= 2
    logging.info("an image takes %.4f GiB of %.1f GiB: batches of %d", each, free, size)
  return halve_on_oom(run, size)[1]


def halve_on_oom(run: Callable[[int], Made], size: int) -> tuple[Made, int]:
  """What `run(size)` returns, and the size: halved, with a message, while memory runs out.

  Raises:
    InputError: when memory runs out at a batch of one image.
  """
  while True:
    try:
      return run(size), size
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
      if size == 1:
        raise InputError(
          "memory for one image", str(error)[:120], "lower --image_size, or take a smaller model"
        ) from error
      logging.warning("out of memory with batches of %d images: %d from now on", size, size // 2)
      size //= 2
