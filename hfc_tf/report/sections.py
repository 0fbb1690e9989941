"""Pages of one experiment or of several: sentences, tables and figures."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from hfc_tf.errors import InputError
from hfc_tf.report import page
from hfc_tf.report.figures import Figure
from hfc_tf.report.results import plain
from hfc_tf.results.labels import DATASETS
from hfc_tf.results.result import Table

_SECTION = "section.json"


@dataclasses.dataclass(frozen=True)
class Section:
  """One experiment on a page.

  Args:
    title: its heading.
    lead: the finding, sentence by sentence.
    tables: in the order of the page, before the figures.
    figures: in the order of the page.
    notes: sentences on how the numbers came about.
    command: what makes it; a page of several sections shows it with each.
  """

  title: str
  lead: Sequence[str] = ()
  tables: Sequence[Table] = ()
  figures: Sequence[Figure] = ()
  notes: Sequence[str] = ()
  command: str | None = None


def section_file(section: Section) -> dict[str, bytes]:
  """section.json, for pages with several sections; the pictures are in figures/ already."""
  fields = dataclasses.asdict(section)
  for figure in fields["figures"]:
    del figure["png"]
  return {_SECTION: json.dumps(fields, indent=2).encode()}


def read_section(out: str | os.PathLike[str]) -> Section:
  """The section whose `section_file` is in OUT.

  Raises:
    InputError: there is none, or it is damaged.
  """
  folder = pathlib.Path(out)
  try:
    fields = json.loads((folder / _SECTION).read_text(encoding="utf-8"))
    fields["tables"] = [Table(**table) for table in fields["tables"]]
    fields["figures"] = [
      Figure(**figure, png=(folder / "figures" / f"{figure['name']}.png").read_bytes())
      for figure in fields["figures"]
    ]
    return Section(**fields)
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise InputError(
      f"the files of an experiment in {folder}", f"{type(error).__name__}: {error}", "run it again"
    ) from error


def page_files(
  results: Mapping[str, Any], sections: Sequence[Section], title: str | None = None
) -> dict[str, bytes]:
  """report.html, self-contained, and figures/*.png.

  Args:
    results: what results.json holds; the page ends with it.
    sections: one, whose title is the page's, or several, each under a heading with its command.
    title: of a page with several sections.
  """
  results = plain(results)
  alone = len(sections) == 1
  context = {
    **page.frame(results),
    "title": title or sections[0].title,
    "facts": page.facts(results, _images(results)),
    "notes": sections[0].notes if alone else [],
    "sections": [(section, page.embedded(section.figures)) for section in sections],
    "level": 1 if alone else 2,
  }
  pictures = {
    f"figures/{'' if alone else f'{number}_'}{figure.name}.png": figure.png
    for number, section in enumerate(sections, start=1)
    for figure in section.figures
  }
  return pictures | {"report.html": page.render(context)}


def _images(results: Mapping[str, Any]) -> str:
  name = str((results.get("data") or {}).get("name", ""))
  return DATASETS.get(name, name)
