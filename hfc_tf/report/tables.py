"""The page's tables and its overview, built from the rows."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from hfc_tf.report import papers
from hfc_tf.report.rows import Row, Rows, percent
from hfc_tf.report.words import attack_label, detector_label, model_label, number

POPULATIONS = {
  "successful": "all adversarials that reach their target",
  "both_arms": "images that every arm of the attack fools",
}
_METRICS = (
  ("AUC within class", "auc_within_class", True),
  ("two-sided", "auc_within_class_two_sided", False),
  ("AUC pooled", "auc", True),
  ("TPR@90", "tpr_at_90_tnr", False),
)


@dataclasses.dataclass(frozen=True)
class Cell:
  """Without and with HFC, and their intervals; None for a side that was not run."""

  without: str
  with_hfc: str | None
  interval: str = ""


def _cell(name: str, plain: Row, hidden: Row | None, interval: bool) -> Cell:
  sides = [plain] if hidden is None else [plain, hidden]
  texts = [percent(side.get(name)) for side in sides]
  ranges = [(side.get(f"{name}_low"), side.get(f"{name}_high")) for side in sides]
  low_high = " → ".join(
    "–" if low is None or high is None else f"{percent(low, 0)}–{percent(high, 0)}"
    for low, high in ranges
  )
  has_interval = interval and any(low is not None for low, _ in ranges)
  return Cell(texts[0], texts[1] if len(texts) > 1 else None, low_high if has_interval else "")


def _adv_acc(row: Row) -> str:
  low, high = row.get("adv_acc_low"), row.get("adv_acc_high")
  return percent(row.get("adv_acc"), unit=True) + (
    f" [{percent(low, 0)}–{percent(high, 0)}]" if low is not None and high is not None else ""
  )


def detection_table(rows: Rows, population: str, arm: str | None) -> dict[str, Any]:
  """The papers' table: detectors down, attacks across, without -> with HFC."""
  columns = []
  for column in rows.columns:
    arms = [None] if arm is None else [None, arm]
    shared = [rows.any(column, a) for a in arms]
    scored = [
      (rows.find if a is not None else rows.plain)(column, rows.detectors[0], population, a)
      for a in arms
    ]
    columns.append({
      "label": column.label,
      "adv_acc": " → ".join(_adv_acc(row) for row in shared),
      "adv_acc_8bit": " → ".join(percent(row.get("adv_acc_8bit"), unit=True) for row in shared),
      "n": " → ".join(str(row.get("n_adversarial", "–")) for row in scored),
      "n_clean": scored[0].get("n_clean", "–"),
    })  # fmt: skip
  body = []
  for detector in rows.detectors:
    cells = []
    for column in rows.columns:
      plain = rows.plain(column, detector, population, arm)
      hidden = None if arm is None else rows.find(column, detector, population, arm)
      cells += [_cell(key, plain, hidden, interval) for _, key, interval in _METRICS]
    body.append({"label": detector_label(detector), "cells": cells})
  return {
    "title": "Without HFC" if arm is None else f"Without → with {rows.arm_words(arm)}",
    "population": POPULATIONS.get(population, population),
    "columns": columns,
    "metrics": [label for label, _, _ in _METRICS],
    "body": body,
  }


def overview(rows: Rows) -> list[dict[str, Any]]:
  """One chart per attack: each detector's within-class AUC without and with HFC."""
  population = rows.populations[0]
  charts = []
  for column in rows.columns:
    lines = []
    for detector in rows.detectors:
      plain = rows.plain(column, detector, population, None)
      marks = [_mark("plain", "without HFC", plain)]
      for place, arm in enumerate(rows.arms[:2]):
        row = rows.find(column, detector, population, arm)
        marks.append(_mark(f"hfc{place}", rows.arm_words(arm), row))
      lines.append({"label": detector_label(detector), "marks": [m for m in marks if m]})
    charts.append({"label": column.label, "lines": lines})
  return charts


def _mark(kind: str, words: str, row: Row) -> dict[str, Any] | None:
  value = row.get("auc_within_class")
  if value is None:
    return None
  low, high = row.get("auc_within_class_low"), row.get("auc_within_class_high")
  low, high = (value, value) if low is None or high is None else (low, high)
  return {"kind": kind, "words": words, "value": 100 * value, "low": 100 * low, "high": 100 * high}


def beside_the_papers(rows: Rows, dataset: str) -> dict[str, list[Any]]:
  """Per attack: the papers' pooled AUC and TPR@90, and ours, in percent; what to know of theirs."""
  population = rows.populations[0]
  tables: list[dict[str, Any]] = []
  remarks: dict[str, None] = {}
  references: dict[str, None] = {}
  for column in rows.columns:
    printed = papers.cells(setting="white_box", dataset=dataset, attack=column.attack)
    cells = [cell for cell in printed if cell.detector in rows.detectors]
    sources = list(dict.fromkeys((c.source, c.eps_256, c.classifier) for c in cells))
    if not sources:
      continue
    ours: list[str | None] = list(rows.arms) or [None]
    heads = [_published_head(dataset, column.attack, *source) for source in sources]
    for arm in ours:
      shared = [rows.any(column, a) for a in ([None] if arm is None else [None, arm])]
      words = "" if arm is None else f", {rows.arm_words(arm, column)}"
      adv_acc = " → ".join(percent(row.get("adv_acc"), unit=True) for row in shared)
      heads.append({"name": "Here", "detail": f"{column.label.split(', ')[1]}{words}",
                    "adv_acc": adv_acc})  # fmt: skip
    body = []
    for detector in rows.detectors:
      line = []
      for source in sources:
        for metric in ("auc", "tpr_at_90_tnr"):
          line.append(_published_cell(c for c in cells if (
            (c.source, c.eps_256, c.classifier) == source
            and (c.detector, c.metric) == (detector, metric)
          )))  # fmt: skip
      for arm in ours:
        plain = rows.plain(column, detector, population, arm)
        hidden = None if arm is None else rows.find(column, detector, population, arm)
        line += [_cell(key, plain, hidden, False) for key in ("auc", "tpr_at_90_tnr")]
      body.append({"label": detector_label(detector), "cells": line})
    remarks |= {r: None for s, _, _ in sources for r in papers.remarks(s, dataset, column.attack)}
    references |= {papers.reference(cell.paper): None for cell in cells}
    tables.append({"label": attack_label(column.attack), "heads": heads, "body": body})
  return {"tables": tables, "remarks": list(remarks), "references": list(references)}


def _published_cell(cells: Iterable[papers.PublishedCell]) -> Cell | None:
  return next((Cell(f"{cell.without:.1f}", f"{cell.with_hfc:.1f}") for cell in cells), None)


def _published_head(
  dataset: str, attack: str, source: str, eps_256: float | None, classifier: str | None
) -> dict[str, str]:
  acc = [
    cell.value if cell.value is not None else cell.with_hfc
    for cell in papers.cells(
      setting="white_box", dataset=dataset, attack=attack, detector=None, metric="adv_acc"
    )
    if cell.source == source
  ]
  return {
    "name": source,
    "detail": f"ε = {number(eps_256 or 0, 3)}/256, {model_label(str(classifier))}",
    "adv_acc": f"{acc[0]}\u202f%" if acc else "not printed",
  }
