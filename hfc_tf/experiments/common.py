"""What the experiments' pages share: colours of detectors, cells of tables, the papers' figures."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from hfc_tf.detectors import DETECTORS
from hfc_tf.evaluation.protocol import DetectionRow
from hfc_tf.report import papers
from hfc_tf.report.charts import PALETTE
from hfc_tf.report.rows import percent
from hfc_tf.report.words import detector_label

_ORDER = ("kd", "maha", "lid", "svm", "dnn", "bu")  # of the papers
# A detector has the same colour on every page.
COLORS = dict(
  zip([*_ORDER, *(key for key in DETECTORS if key not in _ORDER)], itertools.cycle(PALETTE))
)
AREAS = "AUC within class, percent"


def mean(values: Iterable[float | None]) -> float | None:
  """The mean of those that are there."""
  there = [value for value in values if value is not None]
  return sum(there) / len(there) if there else None


def cells(rows: Sequence[DetectionRow], detectors: Iterable[str]) -> list[str]:
  """Of each detector the AUC within class, and the pooled one, which the papers print, in brackets.

  Args:
    rows: of one arm. detectors: keys, in the order of the columns.
  """
  by_name = {row.detector: row for row in rows}
  return [
    f"{percent(by_name[name].auc_within_class)} ({percent(by_name[name].auc)})"
    if name in by_name
    else "–"
    for name in detectors
  ]


def heads(detectors: Iterable[str]) -> list[str]:
  """The detectors' names above their columns."""
  return [detector_label(name) for name in detectors]


def published(**fields: Any) -> papers.PublishedCell | None:
  """The papers' cell with these fields, the later paper's where both print one; None: neither."""
  found = [
    cell
    for cell in papers.cells()
    if all(getattr(cell, name) == value for name, value in fields.items())
  ]
  return found[-1] if found else None


def printed(cell: papers.PublishedCell | None, side: str = "value") -> str:
  """A published figure in percent, or a dash; `side` is value, without or with_hfc."""
  value = None if cell is None else getattr(cell, side)
  return "–" if value is None else f"{value:.1f}"
