"""What an experiment returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Table:
  """A table as text; the first cell of a row is its head.

  Args:
    caption: what it shows, units and budget included.
    head: the names of the columns.
    rows: as many cells each as the head has.
    note: a sentence below it.
  """

  caption: str
  head: Sequence[str]
  rows: Sequence[Sequence[str]]
  note: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
  """One experiment: `hfc_tf.report.write` makes its files of it.

  Args:
    name: of the experiment, whose executable is bin/run_<name>.
    config: a dataclass whose `out` is the output folder.
    rows: mappings or dataclasses, one per row of results.csv; fractions, not percent.
    title: the page's heading.
    findings: a sentence or two.
    tables: in the order of the page, before the figures.
    figures: of `hfc_tf.results.figures`, in the order of the page.
    notes: sentences on how the numbers came about.
    summary: what else results.json holds: timing, data, classifier, warnings.
    files: whatever else belongs to the run, by name.
  """

  name: str
  config: Any
  rows: Sequence[Any]
  title: str
  findings: Sequence[str] = ()
  tables: Sequence[Table] = ()
  figures: Sequence[Any] = ()
  notes: Sequence[str] = ()
  summary: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  files: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
