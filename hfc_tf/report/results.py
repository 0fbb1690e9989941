"""Writes all files of one result, whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import importlib
import io
import json
import math
import os
import pathlib
import platform
import sys
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from hfc_tf.distribute.memory import peak_memory_gib
from hfc_tf.experiments import binary
from hfc_tf.report import page
from hfc_tf.report.figures import draw
from hfc_tf.results.result import SECTION, Result, Section, section_file
from hfc_tf.storage.files import (
  clear_unfinished,
  disk_errors,
  locked,
  writable_folder,
  write_files,
)  # fmt: skip

# What a run may leave and a later one without it must not keep.
_VERSIONS = ("hfc_tf", "tensorflow", "keras", "machine")
_OF_A_RUN = ("figures/*.png", SECTION, "split.json", "asked.json")


def write(result: Result) -> dict[str, Any]:
  """Writes results.json, results.csv, config.json, figures/*.png, section.json and report.html.

  Returns:
    What results.json holds.

  Raises:
    InputError: the folder cannot be written.
  """
  called = pathlib.Path(sys.argv[0]).name == binary(result.name)
  complete: dict[str, Any] = plain({
    "schema": {"name": result.name, "version": 1},
    "command": sys.argv if called else None,
    "config": result.config,
    "environment": environment(),
    **result.summary,
    "rows": result.rows,
  })
  _keep_first_timing(pathlib.Path(result.config.out), complete)
  sections, files = result.sections, dict(result.files)
  if not sections:
    shown = {field.name: getattr(result, field.name) for field in dataclasses.fields(Section)}
    finding = " ".join(result.lead)
    charts = [dataclasses.replace(each, alt=each.alt or finding) for each in result.figures]
    shown |= {"figures": list(map(draw, charts)), "command": page.command(complete),
              "facts": page.facts(complete)}  # fmt: skip
    sections = [Section(**shown)]
    files |= section_file(sections[0])
  write_run(result.config.out, complete, page.page_files(complete, sections, result.title) | files)
  return complete


def plain(value: Any) -> Any:
  """The JSON form of a value: arrays become lists, NaN and infinities None, paths strings."""
  if dataclasses.is_dataclass(value) and not isinstance(value, type):
    return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
  if isinstance(value, Mapping):
    return {str(key): plain(item) for key, item in value.items()}
  if isinstance(value, np.ndarray | np.generic):
    return plain(value.tolist())
  if isinstance(value, list | tuple | set | frozenset):
    return [plain(item) for item in value]
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def write_run(
  out_dir: str | os.PathLike[str], complete: Mapping[str, Any], files: Mapping[str, bytes]
) -> None:
  """Puts all files of one run in the place of those of an earlier one.

  Commands that end at the same moment in one folder do so one after the other, so that the files
  there are always of one run.

  Args:
    out_dir: the output folder.
    complete: what results.json holds.
    files: pages, figures and whatever else the run leaves, by path.

  Raises:
    InputError: the folder cannot be written.
  """
  place = pathlib.Path(out_dir) / "results.json"
  writable_folder(place.parent)
  with disk_errors(place.parent), locked(place):
    for folder in (place.parent, place.parent / "figures"):
      clear_unfinished(folder)
    _tell_of_another(place, complete)
    made = {
      "results.json": _json(complete),
      "results.csv": _csv(complete["rows"]),
      "config.json": _json(complete.get("config", {})),
    }
    write_files(place.parent, {**files, **made}, stale=_OF_A_RUN)


def _keep_first_timing(out: pathlib.Path, complete: dict[str, Any]) -> None:
  """A run that finds all its artefacts says what making them took, not what reading them takes."""
  with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
    before = json.loads((out / "results.json").read_text())
    same = [before[key] == complete[key] for key in ("schema", "config")]
    same += [before["environment"][name] == complete["environment"][name] for name in _VERSIONS]
    if all(same):
      complete["timing"] = max(before["timing"], complete["timing"], key=lambda each: each["total"])


def _tell_of_another(place: pathlib.Path, complete: Mapping[str, Any]) -> None:
  """Logs that the results of another command, or of other settings, are replaced."""
  try:
    before = json.loads(place.read_text())
    name, same = before["schema"]["name"], before.get("config") == complete.get("config")
  except FileNotFoundError:
    return
  except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
    logging.warning("%s is damaged (%s); it is replaced", place, type(error).__name__)
    return
  if name != complete["schema"]["name"] or not same:
    logging.warning("%s held other results (of %s); they are replaced", place, name)


def _csv(rows: list[dict[str, Any]]) -> bytes:
  table = io.StringIO()
  columns = list(dict.fromkeys(key for row in rows for key in row))
  writer = csv.DictWriter(table, columns, restval="", lineterminator="\n")
  writer.writeheader()
  writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
  return table.getvalue().encode(errors="backslashreplace")


def _cell(value: Any) -> Any:
  """A value of results.csv; a text that a spreadsheet would run as a formula gets an apostrophe.

  What is no single value is JSON text.
  """
  if isinstance(value, list | dict):
    return json.dumps(value)
  if not isinstance(value, str):
    return value
  text = value.replace("\r", " ")  # csv does not quote it, and readers end the row there
  return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text


def environment() -> dict[str, Any]:
  """What the numbers were made on."""
  return {
    "hfc_tf": importlib.import_module("hfc_tf").__version__,
    "python": platform.python_version(),
    "tensorflow": tf.__version__,
    "keras": keras.__version__,
    "machine": platform.machine(),
    "peak_memory_gib": round(peak_memory_gib(), 2),
    "devices": [device.device_type for device in tf.config.list_physical_devices()],
  }


def _json(value: Any) -> bytes:
  text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
  return text.encode(errors="backslashreplace")  # a file name may hold bytes that are no text
