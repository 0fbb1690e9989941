"""Writes results.json, results.csv and config.json, and every other file, whole or not at all."""

import csv
import dataclasses
import io
import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hfc_tf.distribute.memory import peak_memory_gib
from hfc_tf.files import write_files


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
  if value is None or isinstance(value, bool | int | float | str):
    return value
  return str(value)


def write_results(
  out_dir: str | os.PathLike[str], results: Mapping[str, Any], rows: Sequence[Any]
) -> dict[str, Any]:
  """Writes OUT/results.json, OUT/results.csv and OUT/config.json.

  Args:
    out_dir: the output folder.
    results: schema, config, environment, timing, data, classifier and warnings; fractions.
    rows: mappings or dataclasses, one per row; they become results["rows"].

  Returns:
    What results.json holds, for `write_report`.

  Raises:
    InputError: the folder cannot be written.
  """
  complete = {"schema": {"name": "detection", "version": 1}, **plain(results), "rows": plain(rows)}
  columns = list(dict.fromkeys(key for row in complete["rows"] for key in row))
  table = io.StringIO()
  writer = csv.DictWriter(table, columns, restval="", lineterminator="\n")
  writer.writeheader()
  writer.writerows({key: _cell(value) for key, value in row.items()} for row in complete["rows"])
  write_files(
    out_dir,
    {
      "results.json": _json(complete),
      "results.csv": table.getvalue().encode(errors="backslashreplace"),
      "config.json": _json(complete.get("config", {})),
    },
  )
  return complete


def _cell(value: Any) -> Any:
  """A value of results.csv; a text that a spreadsheet would run as a formula gets an apostrophe."""
  if not isinstance(value, str):
    return value
  text = value.replace("\r", " ")  # csv does not quote it, and readers end the row there
  return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text


def environment() -> dict[str, Any]:
  """What the numbers were made on."""
  return {
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
