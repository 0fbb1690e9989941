"""What an experiment returns."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from hfc_tf.errors import InputError
from hfc_tf.results.figures import Figure
from hfc_tf.storage.hashing import digest

SECTION = "section.json"


@dataclasses.dataclass(frozen=True)
class Table:
  """A table as text; the first cell of a row is its head.

  Args:
    caption: what it shows, units and budget included.
    head: the names of the columns.
    rows: as many cells each as the head has.
    note: a sentence below it.
    folded: whether a page shows no more than its caption until it is opened.
  """

  caption: str
  head: Sequence[str]
  rows: Sequence[Sequence[str]]
  note: str = ""
  folded: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Section:
  """What a page shows of one experiment.

  Args:
    title: its heading.
    facts: the line under it: images, classifier, attack, budget, steps.
    lead: the finding in a sentence or two.
    tables: in the order of the page, before the figures.
    figures: of `hfc_tf.results.figures`, in the order of the page.
    cover: how many of the figures stand before the tables.
    notes: sentences on how the numbers came about.
    command: what makes it; a page of several sections shows it with each.
  """

  title: str
  facts: Sequence[str] = ()
  lead: Sequence[str] = ()
  tables: Sequence[Table] = ()
  figures: Sequence[Any] = ()
  cover: int = 0
  notes: Sequence[str] = ()
  command: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result(Section):
  """One experiment: `hfc_tf.report.write` makes its files of it.

  Args:
    name: of the experiment, whose executable is bin/run_<name>.
    config: a dataclass whose `out` is the output folder.
    rows: mappings or dataclasses, one per row of results.csv; fractions, not percent.
    summary: what else results.json holds: timing, data, classifier, warnings.
    files: whatever else belongs to the run, by name.
    sections: what its page consists of, if not of itself.
  """

  name: str
  config: Any
  rows: Sequence[Any]
  summary: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  files: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
  sections: Sequence[Section] = ()


def section_file(section: Section) -> dict[str, bytes]:
  """section.json, for pages with several sections; the pictures are in figures/ already."""
  fields = dataclasses.asdict(section)
  for figure in fields["figures"]:
    del figure["png"]
  return {SECTION: json.dumps({"checksum": digest(fields), **fields}, indent=2).encode()}


def read_section(out: str | os.PathLike[str]) -> Section:
  """The section whose `section_file` is in OUT.

  Raises:
    InputError: there is none, or it is damaged.
  """
  folder = pathlib.Path(out)
  try:
    fields = json.loads((folder / SECTION).read_text(encoding="utf-8"))
    if fields.pop("checksum") != digest(fields):
      raise ValueError(f"{SECTION} has changed")
    fields["tables"] = [Table(**table) for table in fields["tables"]]
    fields["figures"] = [
      Figure(**figure, png=(folder / "figures" / f"{figure['name']}.png").read_bytes())
      for figure in fields["figures"]
    ]
    return Section(**fields)
  except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
    raise InputError(
      f"the files of an experiment in {folder}", f"{type(error).__name__}: {error}", "run it again"
    ) from error
