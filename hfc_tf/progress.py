"""How far a command is, and about how long it will take: a bar on a terminal, or lines in the log.

Nearly all time goes into passes of a network, so these are counted: three for an image and epoch
of training (forward, backward for activations and for weights), two for one and a step of attack.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from absl import logging
from rich import console, progress

TRAINING, STEP = 3, 2  # passes an image
_SECONDS = 10.0  # between lines
_FEWEST = 5.0  # seconds, before which nothing is said of the time left


class Progress:
  """Passes done and expected, and who shows them."""

  def __init__(self) -> None:
    self._bar: progress.Progress | None = None
    self.begin()

  def begin(self, title: str = "", scale: float = 1.0, after: float = 0.0) -> None:
    """Forgets what was done: a command begins, or the next experiment of one.

    Args:
      title: what every line says first.
      scale: how many times the work of `plan` is to be expected.
      after: seconds that are expected afterwards.
    """
    self._title, self._scale, self._after = title, scale, after
    self._begun = self._last = time.monotonic()
    self._done = self._expected = 0.0
    self._planned = False

  def plan(self, passes: float) -> None:
    """Expects an experiment's attacks; the first plan counts."""
    if not self._planned:
      self._planned = True
      self.expect(passes * self._scale)

  def expect(self, passes: float) -> None:
    """More work, or less where it turns out to be there already."""
    self._expected = max(self._expected + passes, self._done)

  def advance(self, passes: float, left: float = 0.0) -> None:
    """Passes that were made; `left` is known to follow."""
    self._done += passes
    self._expected = max(self._expected, self._done + left)
    self._draw()

  def _draw(self) -> None:
    if self._bar is not None:
      total = self._expected or None
      self._bar.update(self._bar.task_ids[0], completed=self._done, total=total, left=self.left)

  @property
  def left(self) -> str:
    """About how long it will take, in words; nothing where nothing is known."""
    spent = time.monotonic() - self._begun
    if not self._done or spent < _FEWEST:
      return ""
    seconds = self._after + spent / self._done * (self._expected - self._done)
    minutes = seconds / 60
    amount = f"{seconds:.0f} s" if seconds < 100 else f"{minutes:.0f} min"
    return f"about {amount if minutes < 100 else f'{minutes / 60:.1f} h'} left in all"

  def report(self, text: str, at_once: bool = False) -> None:
    """Shows what is being done; in a log about every ten seconds, or `at_once`."""
    text = f"{self._title}: {text}" if self._title else text
    if self._bar is not None:
      self._bar.update(self._bar.task_ids[0], description=text)
      self._draw()
    elif at_once or time.monotonic() - self._last > _SECONDS:
      self._last = time.monotonic()
      logging.info("%s", ", ".join(filter(None, (text, self.left))))

  @contextlib.contextmanager
  def shown(self) -> Iterator[None]:
    """A bar below what is logged, where stderr is a terminal and the log is not silenced."""
    screen = console.Console(stderr=True)
    if not screen.is_terminal or logging.get_verbosity() < logging.INFO:
      yield
      return
    bar = progress.BarColumn(20)  # what stands last is cut where a terminal is narrow
    text = progress.TextColumn("{task.description}", markup=False)  # names of files are in it
    columns = (bar, "{task.fields[left]}", text)
    handler = logging.get_absl_handler().python_handler
    stream = handler.stream
    with progress.Progress(*columns, console=screen, transient=True) as self._bar:
      self._bar.add_task("", total=None, left="")
      handler.stream = sys.stderr  # the bar's, which prints above it
      try:
        yield
      finally:
        self._bar, handler.stream = None, stream


current = Progress()  # of the running command
