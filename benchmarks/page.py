"""The benchmark's page: what was measured beside what was aimed at."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks import bars
from benchmarks.figures import FIGURES
from benchmarks.settings import Settings
from hfc_tf.report import write as write_files
from hfc_tf.report.results import environment
from hfc_tf.results.result import Result, Table

if TYPE_CHECKING:
  from benchmarks.run import Row

_HEAD = ("Figure", "Against", "Median", "Quartiles", "Goal", "Reached")
_SHORT = ("Figure", "Median", "Quartiles")


def write(
  settings: Settings,
  rows: Sequence[Row],
  left_out: Mapping[str, str],
  seconds: float,
  command: Sequence[str],
) -> dict[str, Any]:
  """Writes the files into settings.out.

  Args:
    settings: resolved.
    rows: what was measured.
    left_out: figure -> why it could not be measured.
    seconds: what the run took.
    command: what was called.

  Returns:
    What results.json holds.
  """
  summary = {
    "command": list(command),
    "environment": environment() | {"threads": settings.threads},
    "timing": {"total": seconds, "finished": time.strftime("%Y-%m-%d %H:%M:%S")},
    "left_out": dict(left_out),
    "warnings": [f"{name} is left out ({reason})." for name, reason in left_out.items()],
  }
  return write_files(Result(
    name="benchmark", config=settings, rows=rows, summary=summary,
    title="Speed beside its peers", lead=_lead(rows), tables=_tables(settings, rows),
    figures=bars.draw(rows), notes=_notes(settings),
  ))  # fmt: skip


def reached(row: Row) -> bool:
  """Whether the median meets the goal."""
  assert row.goal is not None
  return row.value >= row.goal if row.better == "higher" else row.value <= row.goal


def _lead(rows: Sequence[Row]) -> list[str]:
  aimed = [row for row in rows if row.goal is not None]
  if not aimed:
    return ["No figure with a goal was measured."]
  met = sum(reached(row) for row in aimed)
  lead = [f"{met} of {len(aimed)} goals are reached."]
  missed = [row for row in aimed if not reached(row)]
  if missed:
    misses = (f"{row.figure} ({row.value:.2f}, goal {_goal(row)})" for row in missed)
    lead.append(f"Not reached: {', '.join(misses)}.")
  return [" ".join(lead)]


def _goal(row: Row) -> str:
  sign = "≥" if row.better == "higher" else "≤"
  return "" if row.goal is None else f"{sign} {row.goal:g}"


def _number(value: float) -> str:
  """Three digits at least, and no exponent."""
  return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _cells(row: Row) -> list[str]:
  meaning = FIGURES[row.figure].meaning if row.figure in FIGURES else ""
  end = "" if row.goal is None else "yes" if reached(row) else "no"
  return [
    row.figure, meaning, _number(row.value), f"{_number(row.low)} to {_number(row.high)}",
    _goal(row), end,
  ]  # fmt: skip


def _short(row: Row) -> list[str]:
  name, _, *numbers = _cells(row)[:4]
  return [name, *numbers]


def _tables(settings: Settings, rows: Sequence[Row]) -> list[Table]:
  main = [row for row in rows if row.figure in FIGURES]
  scaling = [row for row in rows if row.figure.startswith("scaling")]
  other = [row for row in rows if row not in main and row not in scaling]
  tables = []
  if main:
    caption = "Ratios: how many times faster this library is, or what the second column says."
    tables.append(Table(caption, _HEAD, [_cells(row) for row in main]))
  if other:
    tables.append(Table("What they are made of", _SHORT, [_short(row) for row in other]))
  if scaling:
    tables.append(
      Table(
        f"A step with HFC at several sizes, in seconds; {settings.batch_size} images of "
        f"{max(32, settings.image_size // 2)} px, every tap and {settings.components} components "
        "where the name does not say otherwise",
        _SHORT,
        [_short(row) for row in scaling],
        "Exponents: 1 is linear in the number of images or of pixels.",
      )
    )
  return tables


def _notes(settings: Settings) -> list[str]:
  return [
    f"Every number is the median of {settings.repeats} rounds, with quartiles. Contenders of one "
    "figure run in the same rounds, in turns, each in a process of its own with "
    f"{settings.threads} threads.",
    "Seconds a step: the time of a call of one step is taken from that of a call of "
    f"{settings.steps} more, so that what a call does once does not count.",
    "All loops attack the same network of drawn weights on the same batch of noise; their logits "
    "and their first step were found to be the same before anything was timed.",
    "The best rate is the highest of square products and of the network's convolutions run alone; "
    "the loop's rate counts the operations of its convolutions, forward and input gradient.",
  ]
