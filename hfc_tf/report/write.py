"""Writes all files of one experiment."""

from __future__ import annotations

import dataclasses
import pathlib
import sys
from typing import Any

from hfc_tf.report import page
from hfc_tf.report.draw import draw
from hfc_tf.report.results import completed, environment, write_run
from hfc_tf.report.sections import Section, page_files, section_file
from hfc_tf.results.result import Result


def write(result: Result) -> dict[str, Any]:
  """Writes results.json, results.csv, config.json, figures/*.png, section.json and report.html.

  Returns:
    What results.json holds.

  Raises:
    InputError: the folder cannot be written.
  """
  complete = completed({**described(result.name, result.config), **result.summary}, result.rows)
  section = Section(
    result.title, result.findings, result.tables, [draw(figure) for figure in result.figures],
    result.notes, page.command(complete),
  )  # fmt: skip
  pages = page_files(complete, [section]) | section_file(section)
  write_run(result.config.out, complete, {**pages, **result.files})
  return complete


def described(name: str, config: Any) -> dict[str, Any]:
  """Schema, command, config and environment of an experiment.

  Args:
    name: of the experiment, whose executable is bin/run_<name>.
    config: a dataclass.
  """
  called = pathlib.Path(sys.argv[0]).name == page.binary(name)
  return {
    "schema": {"name": name, "version": 1},
    "command": sys.argv if called else None,
    "config": dataclasses.asdict(config),
    "environment": environment(),
  }
