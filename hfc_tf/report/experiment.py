"""The files of one experiment, and pages of several: sentences, tables and figures."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hfc_tf.errors import InputError
from hfc_tf.report import page
from hfc_tf.report.figures import Figure
from hfc_tf.report.results import completed, environment, of_study, plain, write_run
from hfc_tf.report.words import DATASETS

if TYPE_CHECKING:
  from hfc_tf.study.config import Config
  from hfc_tf.study.study import Study

_SECTION = "section.json"


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


def study_results(name: str, study: Study, begun: float) -> dict[str, Any]:
  """What results.json says beside the rows: schema, command, config, environment and the study.

  Args:
    name: of the experiment, whose binary is bin/run_<name>.
    study: what it was run on.
    begun: time.monotonic() at its start.
  """
  return described(name, study.config) | of_study(study, time.monotonic() - begun)


def described(name: str, config: Config) -> dict[str, Any]:
  """Schema, command, config and environment of an experiment that is no single study."""
  own = pathlib.Path(sys.argv[0]).name == page.binary(name)
  return {
    "schema": {"name": name, "version": 1},
    "command": sys.argv if own else None,
    "config": dataclasses.asdict(config),
    "environment": environment(),
  }


def write_study(
  name: str, study: Study, begun: float, rows: Sequence[Any], section: Section, **more: Any
) -> dict[str, Any]:
  """`write_experiment` of one study, into its folder.

  Args:
    name: of the experiment. study: what it was run on. begun: as for `study_results`.
    rows: one per row of results.csv. section: its page. more: what else results.json holds.
  """
  results = study_results(name, study, begun) | more
  return write_experiment(
    study.config.out, results, rows, files=study.split_file, **vars(section)
  )


def write_experiment(
  out: str | os.PathLike[str],
  results: Mapping[str, Any],
  rows: Sequence[Any],
  *,
  files: Mapping[str, bytes] | None = None,
  **section: Any,
) -> dict[str, Any]:
  """Writes results.json, results.csv, config.json, figures/*.png, section.json and report.html.

  Args:
    out: the output folder.
    results: schema, command, config, environment, timing, data, classifier, warnings; see
      `study_results`.
    rows: mappings or dataclasses, one per row of results.csv; fractions, not percent.
    files: whatever else belongs to the run, by name.
    section: the attributes of `Section`; without a command it is that of `results`.

  Returns:
    What results.json holds.

  Raises:
    InputError: the folder cannot be written.
  """
  complete = completed(results, rows)
  made = Section(**section)
  made = dataclasses.replace(made, command=made.command or page.command(complete))
  pages = page_files(complete, [made]) | section_file(made)
  write_run(out, complete, {**pages, **(files or {})})
  return complete


def section_file(section: Section) -> dict[str, bytes]:
  """section.json, for pages with several sections; the pictures are in figures/ already."""
  words = dataclasses.asdict(section)
  for figure in words["figures"]:
    del figure["png"]
  return {_SECTION: json.dumps(words, indent=2).encode()}


def read_section(out: str | os.PathLike[str]) -> Section:
  """The section whose `section_file` is in OUT.

  Raises:
    InputError: there is none, or it is damaged.
  """
  folder = pathlib.Path(out)
  try:
    words = json.loads((folder / _SECTION).read_text(encoding="utf-8"))
    words["tables"] = [Table(**table) for table in words["tables"]]
    words["figures"] = [
      Figure(**figure, png=(folder / "figures" / f"{figure['name']}.png").read_bytes())
      for figure in words["figures"]
    ]
    return Section(**words)
  except (OSError, ValueError, KeyError, TypeError) as error:
    raise InputError(
      f"the files of an experiment in {folder}", f"{type(error).__name__}: {error}", "run it again"
    ) from error


def page_files(
  results: Mapping[str, Any], sections: Sequence[Section], title: str | None = None
) -> dict[str, bytes]:
  """report.html, self-contained, and figures/*.png.

  Args:
    results: as for `write_experiment`; the page ends with it.
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
  return pictures | {"report.html": page.render("experiment.html", context)}


def _images(results: Mapping[str, Any]) -> str:
  name = str((results.get("data") or {}).get("name", ""))
  return DATASETS.get(name, name)
