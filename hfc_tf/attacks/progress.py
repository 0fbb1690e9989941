"""Who is told how far an attack is: callables, objects, a bar, TensorBoard."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from hfc_tf.errors import InputError

Logs = Mapping[str, float]
# What tf.summary.scalar writes, which is there only where TensorBoard is installed.
_SCALAR = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"}, data_class=1)


class TensorBoard:
  """A callback that writes the scalars of each batch for TensorBoard, by number of images.

  Args:
    log_dir: folder of the event files.
  """

  def __init__(self, log_dir: str | os.PathLike[str]) -> None:
    self._writer = tf.summary.create_file_writer(os.fspath(log_dir))

  def on_batch(self, done: int, total: int, logs: Logs) -> None:
    """Writes attack/NAME for each name in logs."""
    with self._writer.as_default(step=done):
      for name, value in logs.items():
        tf.summary.write(f"attack/{name}", tf.constant(value, tf.float32), metadata=_SCALAR)
    self._writer.flush()


def reporter(callbacks: Any, verbose: int | str, total: int) -> Callable[[int, Logs], None]:
  """What is called after each batch with the number of images that are done.

  An InputError for a callback that is neither callable nor has `on_batch`.
  """
  several = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
  calls = []
  for each in several if callbacks is not None else []:
    call = getattr(each, "on_batch", each)
    if not callable(call):
      expected = "callbacks (done, total, logs) -> None, or with such an on_batch"
      raise InputError(expected, type(each).__name__, "pass one of them")
    calls.append(call)
  if verbose not in (0, 1, 2, "auto"):
    raise InputError("verbose 0, 1, 2 or 'auto'", repr(verbose), "pass one of them")
  show = 0 if verbose == "auto" else int(verbose)
  bar = keras.utils.Progbar(total, unit_name="image", verbose=show) if show else None
  start = time.monotonic()

  def report(done: int, logs: Logs) -> None:
    logs = {**logs, "seconds": time.monotonic() - start}
    for call in calls:
      call(done, total, logs)
    if bar is not None:
      bar.update(done)

  return report
