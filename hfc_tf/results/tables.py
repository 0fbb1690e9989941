"""Detectors against attacks: a table of both, the papers' beside it, curves along an axis."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from hfc_tf.detectors import DETECTORS
from hfc_tf.results import papers
from hfc_tf.results.figures import PALETTE, Line, LineChart
from hfc_tf.results.labels import (
  attack_label,
  budget,
  detector_label,
  fraction,
  model_label,
  percent,
)
from hfc_tf.results.result import Table

R = TypeVar("R")
MAIN = ("kd", "maha", "lid", "svm", "dnn")  # of the papers' columns all but Bayesian uncertainty
_ORDER = (*MAIN, "bu", *(key for key in DETECTORS if key not in (*MAIN, "bu")))
COLORS = dict(zip(_ORDER, itertools.cycle(PALETTE)))  # a detector has the same on every page
AREAS = "AUC within class, percent"
CELLS = "Cells are AUCs within class; in brackets the pooled ones, which the papers report."
SIDES = {"without": "without HFC", "with_hfc": "with HFC"}  # of the papers' cells
_LAST = {"adv_acc": "Adv. Acc", "auc_average": "Average", "auc_maximum": "Maximum"}


def grouped(rows: Iterable[R], *fields: str) -> dict[tuple[Any, ...], list[R]]:
  """Rows by the values of these fields, in the order in which they come."""
  groups: dict[tuple[Any, ...], list[R]] = {}
  for row in rows:
    groups.setdefault(tuple(getattr(row, field) for field in fields), []).append(row)
  return groups


def mean(values: Iterable[float | None]) -> float | None:
  """The mean of those that are there."""
  there = [value for value in values if value is not None]
  return sum(there) / len(there) if there else None


def mean_area(rows: Iterable[Any], field: str = "auc_within_class") -> str:
  """The rows' mean AUC in words."""
  return percent(mean(getattr(row, field) for row in rows), unit=True)


def mean_areas(rows: Iterable[R], label: Callable[[R], str], whose: str = "the detectors") -> str:
  """The finding in a sentence: the mean AUC within class by what `label` says of a row."""
  groups: dict[str, list[R]] = {}
  for row in rows:
    groups.setdefault(label(row), []).append(row)
  means = "; ".join(f"{name}: {mean_area(group)}" for name, group in groups.items())
  return f"Mean AUC within class of {whose} – {means}."


def adv_acc(rows: Sequence[Any]) -> str:
  """Adv. Acc of an attack, or its span where the rows differ."""
  shares = [row.adv_acc for row in rows]
  return "–".join(dict.fromkeys(map(percent, (min(shares), max(shares)))))


def with_hfc(rule: str | None) -> str:
  """What an attack is called: "without HFC", "with HFC (auto)"."""
  return "without HFC" if rule is None else f"with HFC ({rule})"


def weight_label(row: Any) -> str:
  """The weight on HFC, as a cell: "auto (0.3)"; a dash without HFC."""
  return "–" if row.weight_rule is None else f"{row.weight_rule} ({fraction(row.hfc_weight)})"


def detector_table(
  caption: str,
  rows: Iterable[Any],
  first: Mapping[str, Callable[[Any], str]],
  last: Mapping[str, Callable[[Sequence[Any]], str]] | None = None,
  aside: str = "auc",
) -> Table:
  """A line an attack with each detector's AUC within class, and another figure in brackets.

  Args:
    caption: what it shows.
    rows: one a detector and attack.
    first: the columns before the detectors, by name, and what they say of a row; rows of which they
      say the same are one attack.
    last: the columns behind the detectors, and what they say of an attack's rows; None: Adv. Acc.
    aside: the field in brackets; the pooled AUC is what the papers print.
  """
  last = {"Adv. Acc": adv_acc} if last is None else last
  lines: dict[tuple[str, ...], dict[str, Any]] = {}
  for row in rows:
    lines.setdefault(tuple(tell(row) for tell in first.values()), {})[row.detector] = row
  detectors = dict.fromkeys(name for line in lines.values() for name in line)
  body = []
  for cells, line in lines.items():
    areas = [
      f"{percent(line[name].auc_within_class)} ({percent(getattr(line[name], aside))})"
      if name in line
      else "–"
      for name in detectors
    ]
    body.append([*cells, *areas, *(tell(list(line.values())) for tell in last.values())])
  return Table(caption, [*first, *map(detector_label, detectors), *last], body)


def papers_table(
  caption: str,
  head: Sequence[str],
  lines: Iterable[tuple[Sequence[str], str, Mapping[str, Any]]],
  detectors: Sequence[str] = MAIN,
  last: Sequence[str] = ("adv_acc",),
  note: str = "",
) -> list[Table]:
  """The papers' pooled AUCs; no table where they print none of them.

  Args:
    caption: which table of theirs.
    head: the names of the first columns.
    lines: of each its first cells, the side of its figures (value, without or with_hfc), and the
      fields of `PublishedCell` that they share; where several tables print one, the last does.
    detectors: the columns.
    last: metrics that belong to no detector, in columns of their own.
    note: a sentence below.
  """
  columns = [*((name, "auc") for name in detectors), *((None, metric) for metric in last)]
  body = []
  for first, side, fields in lines:
    printed = [papers.cells(**fields, detector=name, metric=metric) for name, metric in columns]
    values = [getattr(cells[-1], side) if cells else None for cells in printed]
    body.append([*first, *("–" if value is None else f"{value:.1f}" for value in values)])
  if all(cell == "–" for line in body for cell in line[len(head) :]):
    return []
  names = [*map(detector_label, detectors), *(_LAST[metric] for metric in last)]
  return [Table(caption, [*head, *names], body, note)]


def area_chart(
  name: str,
  title: str,
  rows: Sequence[Any],
  field: str,
  places: Mapping[Any, float],
  *,
  x_label: str,
  alt: str,
  x_ticks: Mapping[float, str] | None = None,
  marker: str = "",
) -> LineChart:
  """Each detector's AUC within class along an axis: solid without, dotted with HFC.

  Args:
    name: the file's stem.
    title: the heading.
    rows: of one attack.
    field: what the axis shows of a row.
    places: where its values lie.
    x_label: of the axis. x_ticks: as in `LineChart`.
    alt: what it shows, for who cannot see it.
    marker: of the points.
  """
  hidden = dict.fromkeys(row.weight_rule for row in rows if row.hfc)
  lines = []
  for rule, style in ((None, "-"), *((rule, ":") for rule in list(hidden)[-1:])):
    for detector in dict.fromkeys(row.detector for row in rows):
      points = {
        places[getattr(row, field)]: 100 * row.auc_within_class
        for row in rows
        if (row.detector, row.weight_rule) == (detector, rule) and row.auc_within_class is not None
      }
      label = detector_label(detector) + (" with HFC" if rule else "")
      x, y = list(points), list(points.values())
      lines.append(Line(label, x, y, COLORS[detector], style, marker))
  return LineChart(
    name, title, lines=lines, x_label=x_label, y_label="AUC within class (%)", x_ticks=x_ticks,
    y_range=(0, 101), level=50, alt=alt,
    caption="Solid without, dotted with HFC (the last of its weights); 50 % is guessing.",
  )  # fmt: skip


def beside_the_papers(rows: Sequence[Any], dataset: str) -> list[Table]:
  """Per attack the papers' pooled AUC and TPR@90, and ours; what to know of theirs is the note.

  Args:
    rows: as `DetectionRow`, one a detector and attack. dataset: whose figures they print.
  """
  made = []
  for (attack,), group in grouped(rows, "attack").items():
    detectors = list(dict.fromkeys(row.detector for row in group))
    printed = papers.cells(setting="white_box", dataset=dataset, attack=attack)
    cells = [cell for cell in printed if cell.detector in detectors]
    if not cells:
      continue
    body = []
    for (source, eps, model), theirs in grouped(cells, "source", "eps_256", "classifier").items():
      shared = [cell for cell in printed if cell.source == source and cell.metric == "adv_acc"]
      for side, label in SIDES.items():
        value = {(cell.detector, cell.metric): getattr(cell, side) for cell in theirs}
        acc = [getattr(c, side) if c.value is None else c.value for c in shared]
        body.append([
          f"{source}, {budget(eps)}, {model_label(str(model))}", label,
          *(" / ".join("–" if value.get((name, metric)) is None else f"{value[name, metric]:.1f}"
                       for metric in ("auc", "tpr_at_90_tnr")) for name in detectors),
          f"{acc[0]:.1f}" if acc and acc[0] is not None else "–",
        ])  # fmt: skip
    for each in grouped(group, "eps_256", "weight_rule").values():
      row = {r.detector: r for r in each}
      body.append([
        f"Here, {budget(each[0].eps_256)}", weight_label(each[0]),
        *(f"{percent(row[name].auc)} / {percent(row[name].tpr_at_90_tnr)}" for name in detectors),
        adv_acc(each),
      ])  # fmt: skip
    remarks = [r for s in dict.fromkeys(cell.source for cell in cells)
               for r in papers.remarks(s, dataset, attack)]  # fmt: skip
    references = [papers.reference(paper) for paper in dict.fromkeys(c.paper for c in cells)]
    made.append(Table(
      f"{attack_label(attack)} beside the papers: pooled AUC / TPR@90, percent. Images, their size "
      "and the classifier differ; compare the order and the effect, not the digits.",
      ["Source", "HFC", *map(detector_label, detectors), "Adv. Acc"], body,
      " ".join([*remarks, *references]),
    ))  # fmt: skip
  return made
