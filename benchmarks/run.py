"""Measures the chosen figures, block by block, and writes their page."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import sys
import tempfile
import time
from typing import Any

import numpy as np
from absl import logging

from benchmarks import page
from benchmarks.figures import FIGURES, Values
from benchmarks.peers import CONTENDERS, Contender
from benchmarks.process import Process, UnavailableError
from benchmarks.settings import Settings
from benchmarks.subject import Subject
from benchmarks.timing import Samples, Spread, interleaved

_LOGITS = 1e-3  # how far a peer's logits may be off
_PIXELS = 0.9  # share of pixels that must take the same step; signs of tiny gradients differ


@dataclasses.dataclass(frozen=True)
class Row:
  """A figure's median over the rounds and its quartiles; `better` is "higher" or "lower"."""

  figure: str
  value: float
  low: float
  high: float
  goal: float | None
  better: str


def run(settings: Settings) -> dict[str, Any]:
  """Runs the benchmark and writes results.json, results.csv and report.html into settings.out.

  A figure whose contender is not installed or fails is left out, and named with the reason.

  Returns:
    What results.json holds.

  Raises:
    InputError: for settings that cannot be used.
  """
  settings = settings.resolved()
  begun = time.monotonic()
  rows: list[Row] = []
  left_out: dict[str, str] = {}
  blocks = dict.fromkeys(FIGURES[name].block for name in settings.only)
  with tempfile.TemporaryDirectory() as folder:
    subject = Subject(folder, settings)
    for block in blocks:
      names = [name for name in settings.only if FIGURES[name].block == block]
      samples, reasons = _measure(names, subject)
      for name in names:
        missing = [one for one in FIGURES[name].contenders if one in reasons]
        if missing:
          left_out[name] = "; ".join(f"{one}: {reasons[one]}" for one in missing)
          logging.warning("%s is left out: %s", name, left_out[name])
        else:
          rows += _rows(name, FIGURES[name].values(samples))
  return page.write(settings, rows, left_out, time.monotonic() - begun, sys.argv)


def _rows(name: str, values: Values) -> list[Row]:
  figure = FIGURES[name]
  better = "higher" if figure.higher else "lower"
  rows = []
  for key, rounds in values.items():
    spread = Spread.of(rounds)
    goal = figure.goal if key == name else None
    rows.append(Row(key, spread.value, spread.low, spread.high, goal, better))
    logging.info("%s: %.3g", key, rows[-1].value)
  return rows


def _measure(figures: list[str], subject: Subject) -> tuple[Samples, dict[str, str]]:
  """All rounds of one block, and why contenders are missing from it."""
  unavailable: dict[str, str] = {}
  with contextlib.ExitStack() as stack:
    running: dict[str, Process] = {}
    checks: dict[str, dict[str, Any]] = {}
    # Others first: without a peer there may be no need for what it is compared with.
    for name in sorted(_wanted(figures, {}), key=lambda name: CONTENDERS[name].package is None):
      if name not in _wanted(figures, unavailable):
        continue
      logging.info("starting %s", name)
      try:
        running[name] = stack.enter_context(_start(CONTENDERS[name], subject))
        checks[name] = _check(running[name])
      except UnavailableError as error:
        unavailable[name] = str(error)
    plain = {name: check for name, check in checks.items() if CONTENDERS[name].plain}
    for name, check in plain.items():
      try:
        _compare(plain.get("own", check), check)
      except UnavailableError as error:
        unavailable[name] = str(error)
    wanted = _wanted(figures, unavailable)
    steps = {"run": subject.settings.steps}
    asked = {name: functools.partial(running[name].ask, steps) for name in wanted}
    try:
      return interleaved(asked, subject.settings.repeats), unavailable
    except UnavailableError as error:
      return {}, dict.fromkeys(wanted, f"a contender failed between rounds: {error}") | unavailable


def _wanted(figures: list[str], unavailable: dict[str, str]) -> dict[str, None]:
  """Whom the figures need that can still be measured, in order."""
  possible = [name for name in figures if not unavailable.keys() & FIGURES[name].contenders]
  return dict.fromkeys(one for name in possible for one in FIGURES[name].contenders)


def _start(contender: Contender, subject: Subject) -> Process:
  settings = subject.settings
  job = {
    "module": f"benchmarks.peers.{contender.module}",
    "eps": settings.eps,
    "step_size": settings.step_size,
    "model": settings.model,
    "image_size": settings.image_size,
    "batch_size": settings.batch_size,
    "components": settings.components,
    "plain": contender.plain,
    **{name: getattr(subject, name) for name in contender.needs},
    **contender.settings,
  }
  python = settings.peer_python.get(contender.package or "", sys.executable)
  return Process(job, settings.threads or 1, python)


def _check(process: Process) -> dict[str, Any]:
  with tempfile.TemporaryDirectory() as folder:
    process.ask({"check": f"{folder}/check.npz"})
    with np.load(f"{folder}/check.npz", allow_pickle=False) as arrays:
      return dict(arrays)


def _compare(reference: dict[str, Any], peer: dict[str, Any]) -> None:
  """Another network or another attack would make the ratio worthless."""
  apart = float(np.abs(reference["logits"] - peer["logits"]).max())
  same = float(np.mean(np.abs(reference["adversarials"] - peer["adversarials"]) < 1e-5))
  if apart > _LOGITS or same < _PIXELS:
    raise UnavailableError(
      f"it does not do the same: logits differ by {apart:.2g}, {same:.1%} of pixels agree"
    )
  logging.info("logits differ by %.1g, %.2f %% of pixels agree", apart, 100 * same)
