"""Tables of rows, the papers' beside them, and detectors' curves along an axis."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from hfc_tf.detectors import DETECTORS
from hfc_tf.results import papers
from hfc_tf.results.figures import PALETTE, Line, LineChart
from hfc_tf.results.labels import (
  ADAPTIVE_METHODS,
  attack_label,
  budget,
  dataset_label,
  detector_label,
  fraction,
  model_label,
  percent,
)
from hfc_tf.results.means import mean as mean
from hfc_tf.results.means import means as means
from hfc_tf.results.result import Table
from hfc_tf.variants import base

R = TypeVar("R")
Column = str | Callable[[Any], str]  # a field of the row, or what to say of it
MAIN = ("kd", "maha", "lid", "svm", "dnn")  # of the papers' columns all but Bayesian uncertainty
_ORDER = dict.fromkeys((*MAIN, "bu", "knn", "squeezing", *DETECTORS))
COLORS = dict(zip(_ORDER, itertools.cycle(PALETTE)))  # a detector has the same on every page
AREAS = "AUC within class / two-sided, percent"
CELLS = (
  "Cells are AUCs within class / the two-sided ones, the mean over classes of max(AUC, 100 - AUC); "
  "in brackets the pooled ones, which the papers report."
)
SIDES = {"value": "–", "without": "without HFC", "with_hfc": "with HFC"}  # of the papers' cells
_LAST = {"adv_acc": "Adv. Acc", "auc_average": "Average", "auc_maximum": "Maximum"}
_VARYING: dict[str, Callable[[Any], str]] = {  # of the papers' cells, where they differ
  "dataset": dataset_label, "components": "M = {}".format,
  "attack": lambda key: ADAPTIVE_METHODS.get(key) or attack_label(key),
}  # fmt: skip


def grouped(rows: Iterable[R], *fields: str) -> dict[tuple[Any, ...], list[R]]:
  """Rows by the values of these fields, in the order in which they come."""
  groups: dict[tuple[Any, ...], list[R]] = {}
  for row in rows:
    groups.setdefault(tuple(getattr(row, field) for field in fields), []).append(row)
  return groups


def adv_acc(rows: Sequence[Any]) -> str:
  """Adv. Acc of an attack, or its span where the rows differ."""
  shares = [row.adv_acc for row in rows]
  return "–".join(dict.fromkeys(map(percent, (min(shares), max(shares)))))


def weight_label(row: Any) -> str:
  """The weight on HFC, as a cell: "auto (0.3)", "balanced"; a dash without HFC."""
  if row.weight_rule in (None, "balanced"):
    return row.weight_rule or "–"
  return f"{row.weight_rule} ({fraction(row.hfc_weight)})"


def interval(field: str) -> Callable[[Any], str]:
  """A column with the ends of the 95 % interval: "97.0 [95–99]"."""

  def cell(row: Any) -> str:
    low, high = getattr(row, f"{field}_low"), getattr(row, f"{field}_high")
    ends = "" if low is None or high is None else f" [{percent(low, 0)}–{percent(high, 0)}]"
    return percent(getattr(row, field)) + ends

  return cell


TWO_SIDED = interval("auc_within_class_two_sided")


def cell(row: Any, column: Column) -> str:
  """A cell: texts and whole numbers as they are, fractions in percent, a dash for None."""
  value = column(row) if callable(column) else getattr(row, column)
  return percent(value) if value is None or isinstance(value, float) else str(value)


def table(
  caption: str, rows: Iterable[Any], columns: Mapping[str, Column], note: str = ""
) -> Table:
  """A line a row; `columns` are the heads and what stands below them."""
  body = [[cell(row, column) for column in columns.values()] for row in rows]
  return Table(caption, list(columns), body, note)


def detector_table(
  caption: str,
  rows: Iterable[Any],
  first: Mapping[str, Column],
  last: Mapping[str, Callable[[Sequence[Any]], str]] | None = None,
  fields: Sequence[Column] = ("auc_within_class", "auc_within_class_two_sided", "auc"),
  form: str = "{} / {} ({})",
  detectors: Iterable[str] | None = None,
) -> Table:
  """A line an attack with some figures of each detector.

  Args:
    caption: what it shows.
    rows: one a detector and attack.
    first: the columns before the detectors; rows whose cells there are the same are one attack.
    last: the columns behind the detectors, and what they say of an attack's rows; None: Adv. Acc.
    fields: the figures; the pooled AUC is what the papers print. form: how they stand in a cell.
    detectors: the columns; None: those that rows have.
  """
  last = {"Adv. Acc": adv_acc} if last is None else last
  lines: dict[tuple[str, ...], dict[str, Any]] = {}
  for row in rows:
    lines.setdefault(tuple(cell(row, c) for c in first.values()), {})[row.detector] = row
  if detectors is None:
    detectors = dict.fromkeys(name for line in lines.values() for name in line)
  detectors = list(detectors)
  body = [
    [
      *cells,
      *(form.format(*(cell(line[name], field) for field in fields)) if name in line else "–"
        for name in detectors),
      *(tell(list(line.values())) for tell in last.values()),
    ]
    for cells, line in lines.items()
  ]  # fmt: skip
  return Table(caption, [*first, *map(detector_label, detectors), *last], body)


def papers_table(
  caption: str,
  detectors: Sequence[str] = MAIN,
  metrics: Sequence[str] = ("auc",),
  **fields: Any,
) -> list[Table]:
  """What the papers print; no table where it is nothing. The note tells what to know of it.

  Args:
    caption: what the figures are.
    detectors: the columns; behind them stand metrics that belong to no detector.
    metrics: of detectors, in one cell.
    fields: of `PublishedCell` that all cells share.
  """
  cells = [c for c in papers.cells(**fields) if c.detector in (None, *map(base, detectors))]
  if not any(c.detector for c in cells):
    return []
  last = [metric for metric in _LAST if any(c.metric == metric for c in cells)]
  columns = [(base(name), metrics) for name in detectors] + [(None, (metric,)) for metric in last]
  varied = [name for name in _VARYING if len({getattr(c, name) for c in cells}) > 1]
  body = []
  for (source, eps, model, *_), group in grouped(
    cells, "source", "eps_256", "classifier", *_VARYING
  ).items():
    labels = [_VARYING[name](getattr(group[0], name)) for name in varied]
    by_column = {(c.detector, c.metric): c for c in group}
    for side, label in SIDES.items():
      if any(c.detector and getattr(c, side) is not None for c in group):
        body.append([", ".join([source, budget(eps), model_label(str(model)), *labels]), label, *(
          " / ".join(_printed(by_column.get((name, metric)), side) for metric in each)
          for name, each in columns
        )])  # fmt: skip
  remarks = [remark for source in dict.fromkeys(c.source for c in cells)
             for remark in papers.remarks(source, fields.get("dataset"), fields.get("attack"))]
  references = [papers.reference(paper) for paper in dict.fromkeys(c.paper for c in cells)]
  head = ["Source", "HFC", *map(detector_label, detectors), *(_LAST[metric] for metric in last)]
  return [Table(caption, head, body, " ".join([*remarks, *references]))]  # fmt: skip


def _printed(published: papers.PublishedCell | None, side: str) -> str:
  """One side of a cell, or its only value."""
  if published is None:
    return "–"
  value = getattr(published, side) if published.value is None else published.value
  return "–" if value is None else f"{value:.1f}"


def area_chart(
  name: str,
  title: str,
  rows: Sequence[Any],
  field: str,
  places: Mapping[Any, float],
  marker: str = "",
  pooled: bool = False,
  **shown: Any,
) -> LineChart:
  """Each detector's AUC within class along an axis: solid without, dotted with HFC.

  Args:
    name: as in `LineChart`, as are title and shown. rows: of one attack. marker: of the points.
    field: what the axis shows of a row. places: where its values lie.
    pooled: draws the pooled AUC instead, as the papers' figures do.
  """
  area, kind = ("auc", "Pooled AUC") if pooled else ("auc_within_class", "AUC within class")
  last_rule = next((row.weight_rule for row in reversed(rows) if row.hfc), None)
  lines, groups = [], grouped(rows, "weight_rule", "detector").items()
  for (rule, detector), group in groups:
    if rule in (None, last_rule):
      x = [places[getattr(row, field)] for row in group]
      y = 100 * np.array([getattr(row, area) for row in group], float)  # NaN for None
      label, style = detector_label(detector) + " with HFC" * bool(rule), ":" if rule else "-"
      color = COLORS.setdefault(detector, PALETTE[len(COLORS) % len(PALETTE)])
      lines.append(Line(label, x, y, color, style, marker))
  return LineChart(
    f"{name}_pooled" if pooled else name, f"{title}, pooled" if pooled else title, lines=lines,
    y_label=f"{kind} (%)", y_range=(0, 101), level=50, **shown,
    caption="Solid without, dotted with HFC (the last of its weights); 50 % is guessing.",
  )  # fmt: skip
