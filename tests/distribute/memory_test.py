"""Peaks, batches that fit, and what happens when memory runs out."""

import logging

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.distribute import memory
from hfc_tf.distribute.memory import (
  automatic_batch_size,
  available_memory_gib,
  halve_on_oom,
  peak_memory_gib,
  reset_peak,
)
from hfc_tf.errors import InputError

MIB = 2**20


def test_the_peak_is_what_was_held_and_can_be_counted_anew():
  before = peak_memory_gib()
  block = np.ones(200 * MIB, np.uint8)
  assert peak_memory_gib() >= before
  held = peak_memory_gib()
  del block
  assert peak_memory_gib() == pytest.approx(held, abs=0.01)
  reset_peak()
  assert peak_memory_gib() < held - 150 / 1024
  assert 0 < peak_memory_gib() < 64


@pytest.mark.parametrize(("budget_mib", "expected"), [(1000, 16), (480, 8), (31, 2), (10**6, 64)])
def test_the_batch_that_fits(budget_mib, expected, monkeypatch):
  """30 MiB an image beyond the first two: 14 x 30 = 420 of 500, 6 x 30 = 180 of 240."""
  sizes = []
  # What other work left in the process's memory would be counted too.
  monkeypatch.setattr(memory, "peak_memory_gib", lambda: 1 + 30 * sizes[-1] / 1024)
  run = sizes.append

  assert automatic_batch_size(run, available=budget_mib / 1024) == expected
  assert sizes == [1, 2, 8, expected]


def test_a_size_that_fails_in_earnest_is_halved(caplog):
  caplog.set_level(logging.WARNING, logger="absl")

  def run(size):
    if size > 5:
      raise tf.errors.ResourceExhaustedError(None, None, "out of memory")
    return f"made {size}"

  assert halve_on_oom(run, 24) == ("made 3", 3)
  messages = [record.getMessage() for record in caplog.records]
  assert messages == [
    "out of memory with batches of 24 images: 12 from now on",
    "out of memory with batches of 12 images: 6 from now on",
    "out of memory with batches of 6 images: 3 from now on",
  ]


def test_not_even_one_image():
  def run(size):
    raise MemoryError

  with pytest.raises(InputError, match="memory for one image"):
    halve_on_oom(run, 4)


def test_other_errors_pass():
  with pytest.raises(ZeroDivisionError):
    halve_on_oom(lambda size: size / 0, 4)


def test_available_memory_is_less_than_the_machine_has():
  available = available_memory_gib()
  with open("/proc/meminfo") as file:
    total = int(file.readline().split()[1]) / MIB
  assert available is not None and 0 < available < total
