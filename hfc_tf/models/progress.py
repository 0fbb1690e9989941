"""Progress of a training, in lines."""

import time
from collections.abc import Callable

_SECONDS = 10.0


class Clock:
  """Reports every epoch, about every ten seconds within one, and the time left.

  Args:
    report: receives the lines.
    epochs: of the whole training.
    steps: per epoch.
  """

  def __init__(self, report: Callable[[str], None], epochs: int, steps: int) -> None:
    self._report, self._epochs, self._steps = report, epochs, steps
    self._start = self._last = time.monotonic()
    self._done = 0

  def step(self, epoch: int, step: int, loss: float, accuracy: float) -> None:
    """After step `step` of `epoch`, both from 0."""
    self._done += 1
    now = time.monotonic()
    if self._done == 1:
      self._start = now  # the first step traces: it says nothing about the others
    elif now - self._last > _SECONDS:
      self._last = now
      left = (self._epochs - epoch) * self._steps - step - 1
      self._report(
        f"training: epoch {epoch + 1}/{self._epochs}, step {step + 1}/{self._steps}, "
        f"loss {loss:.3f}, accuracy {accuracy:.3f}, {self._left(left)} left"
      )

  def epoch(self, row: dict[str, float]) -> None:
    """After an epoch, with its row of the history."""
    self._last = time.monotonic()
    left = (self._epochs - int(row["epoch"])) * self._steps
    self._report(
      f"training: epoch {row['epoch']}/{self._epochs}, loss {row['loss']:.3f}, accuracy "
      f"{row['accuracy']:.3f}, validation loss {row['validation_loss']:.3f}, accuracy "
      f"{row['validation_accuracy']:.3f}, {self._left(left)} left"
    )

  def _left(self, steps: int) -> str:
    return f"{steps * (time.monotonic() - self._start) / max(self._done - 1, 1):.0f} s"
