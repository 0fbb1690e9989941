"""Writes results.json, results.csv and config.json, and every other file, whole or not at all."""

import csv
import dataclasses
import io
import json
import math
import os
import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hfc_tf.errors import InputError


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


def write_files(out_dir: str | os.PathLike[str], files: Mapping[str, bytes]) -> None:
  """Writes files beside their place and renames them into it once all of them are complete.

  Args:
    out_dir: the folder; made where it is missing.
    files: contents by path relative to the folder.

  Raises:
    InputError: the folder cannot be made or written; none of the files is then half-written.
  """
  out = pathlib.Path(out_dir)
  written: list[tuple[str, pathlib.Path]] = []
  try:
    for name, content in files.items():
      place = out / name
      place.parent.mkdir(parents=True, exist_ok=True)
      handle, beside = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
      written.append((beside, place))
      with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
      os.chmod(beside, 0o644)  # mkstemp's 0600 would keep a web server from reading the page
    for beside, place in written:
      os.replace(beside, place)
  except OSError as error:
    raise InputError(
      expected=f"an output folder that can be written at {out}",
      found=error.strerror or str(error),
      remedy="choose another --out, or make room there",
    ) from error
  finally:
    for beside, _ in written:
      pathlib.Path(beside).unlink(missing_ok=True)


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
  writer.writerows(complete["rows"])
  write_files(
    out_dir,
    {
      "results.json": _json(complete),
      "results.csv": table.getvalue().encode(errors="backslashreplace"),
      "config.json": _json(complete.get("config", {})),
    },
  )
  return complete


def _json(value: Any) -> bytes:
  text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
  return text.encode(errors="backslashreplace")  # a file name may hold bytes that are no text
