"""Our figures of detection in one table with the papers'."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from hfc_tf.results import papers, tables
from hfc_tf.results.labels import attack_label, budget
from hfc_tf.results.result import Table

_CAPTION = (
  "beside the papers: pooled AUC / TPR@90, percent; here TPR@90 is at the threshold of AdvTest's "
  "own clean images, in brackets at AdvTrain's. Images, their size and the classifier differ; "
  "compare the order and the effect, not the digits."
)


def beside_the_papers(rows: Sequence[Any], dataset: str) -> list[Table]:
  """Per attack the papers' pooled AUC and TPR@90, and ours, of the detectors that both ask.

  The papers' text reads as if TPR@90 were at the threshold of the test's own normal images.

  Args:
    rows: as `DetectionRow`, one a detector and attack. dataset: whose figures they print.
  """
  return [
    table
    for (attack,), group in tables.grouped(rows, "attack").items()
    for table in _joined(
      f"{attack_label(attack)} {_CAPTION}", group, False, dataset=dataset, attack=_kind(attack)
    )
  ]


def table_one(rows: Sequence[Any], dataset: str) -> list[Table]:
  """The columns of a data set in TMI Table I, all attacks and detectors of them, and ours below.

  Args:
    rows, dataset: as of `beside_the_papers`.
  """
  return _joined(f"TMI Table I {_CAPTION}", rows, True, dataset=dataset, table="Table I")


def _joined(caption: str, rows: Sequence[Any], whole: bool, **fields: Any) -> list[Table]:
  """The papers' table with our rows below; `whole` has all of its detectors, else those asked."""
  fields |= {"setting": "white_box"}
  printed = dict.fromkeys(cell.detector for cell in papers.cells(**fields) if cell.detector)
  asked = [key for key in dict.fromkeys(row.detector for row in rows) if _kind(key) in printed]
  if whole:
    asked += [key for key in printed if key not in map(_kind, asked)]
  made = tables.papers_table(caption, asked, ("auc", "tpr_at_90_tnr"), **fields)
  ours = tables.detector_table(
    caption, rows,
    {"Source": lambda row: f"Here, {budget(row.eps_256)}" + (
      f", {attack_label(row.attack)}" if whole else ""
    ), "HFC": tables.weight_label},
    fields=("auc", "tpr_at_90_tnr_test_threshold", "tpr_at_90_tnr"), form="{} / {} ({})",
    detectors=asked,
  )  # fmt: skip
  return [_stacked(table, ours) for table in made]


def _stacked(above: Table, below: Table) -> Table:
  """The rows of both under the columns of both: the papers print no Adv. Acc of some images."""
  head = [*above.head, *(name for name in below.head if name not in above.head)]
  rows = []
  for table in (above, below):
    cells = (dict(zip(table.head, row, strict=True)) for row in table.rows)
    rows += [[row.get(name, "–") for name in head] for row in cells]
  return dataclasses.replace(above, head=head, rows=rows)


def _kind(key: str) -> str:
  """A key without its options."""
  return key.partition("(")[0]
