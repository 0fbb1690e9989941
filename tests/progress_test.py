"""Passes counted, the time left by a clock of the test, lines and bar."""

import io
import sys
import time

import pytest
from absl import logging

from hfc_tf import progress


@pytest.fixture
def clock(monkeypatch):
  now = [0.0]
  monkeypatch.setattr(time, "monotonic", lambda: now[0])
  return now


def test_time_left_follows_from_passes(clock):
  command = progress.Progress()
  command.begin(scale=2.0)
  command.plan(100)
  command.plan(1000)  # of a second classifier, which the scale stands for
  command.expect(300)  # a training: 500 in all
  assert command.left == ""
  clock[0] = 40.0
  command.advance(100)
  assert command.left == "about 3 min left in all"  # 160 s
  command.expect(-50)  # stored already
  assert command.left == "about 2 min left in all"  # 140 s
  command.advance(0, left=4000)  # known better than planned
  assert command.left == "about 27 min left in all"
  command.begin("layers (5 of 17)", after=7200.0)
  clock[0] = 50.0
  command.advance(10, left=10)
  assert command.left == "about 2.0 h left in all"


def test_lines_come_every_ten_seconds(clock, monkeypatch):
  lines = []
  monkeypatch.setattr(logging, "info", lambda form, *rest: lines.append(form % rest))
  command = progress.Progress()
  command.begin("layers")
  command.report("density")
  clock[0] = 11.0
  command.advance(1, left=3)
  command.report("bim: chunk 1 of 4")
  command.report("bim: chunk 2 of 4")
  command.report("training", at_once=True)
  left = "about 33 s left in all"
  assert lines == [f"layers: bim: chunk 1 of 4, {left}", f"layers: training, {left}"]


class _Terminal(io.StringIO):
  def isatty(self):
    return True


def test_bar_only_on_a_terminal_that_wants_it(monkeypatch):
  monkeypatch.setenv("TERM", "xterm")
  monkeypatch.setenv("COLUMNS", "120")
  for stream, verbosity, drawn in (
    (_Terminal(), logging.INFO, True),
    (_Terminal(), logging.WARNING, False),
    (io.StringIO(), logging.INFO, False),
  ):
    monkeypatch.setattr(sys, "stderr", stream)
    before, handler = logging.get_verbosity(), logging.get_absl_handler().python_handler
    usual = handler.stream
    logging.set_verbosity(verbosity)
    command = progress.Progress()
    try:
      with command.shown():
        command.advance(1, left=3)
        command.report("bim: chunk 1 of 4")
        command.report("a name [/red] that is no markup")
        handler.stream.write("a warning above it\n")
    finally:
      logging.set_verbosity(before)
    assert ("a name [/red] that is no markup" in stream.getvalue()) == drawn
    assert handler.stream is usual and command._bar is None
    assert not drawn or "a warning above it" in stream.getvalue()
