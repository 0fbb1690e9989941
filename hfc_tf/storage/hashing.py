"""Hashes of values, files and folders."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np


def digest(*values: Any) -> str:
  """A short SHA-256 of plain values, arrays, dataclasses, and lists and dictionaries of them.

  Every value is written with its kind and length, so that no two sequences of values read alike.
  Equal lists and tuples are the same, as are NumPy's and Python's equal numbers of one kind. An
  object of any other kind is a TypeError.
  """
  state = hashlib.sha256()
  _update(state, values)
  return state.hexdigest()[:24]


def _update(state: Any, value: Any) -> None:
  if isinstance(value, np.generic):
    value = value.item()
  if value is None or isinstance(value, bool | int | float | str):
    content = str(value).encode(errors="surrogatepass")
    state.update(f"{type(value).__name__} {len(content)} ".encode() + content)
  elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
    state.update(f"array {value.dtype.str} {value.shape} ".encode())
    state.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
  elif isinstance(value, Mapping):
    state.update(f"mapping {len(value)} ".encode())
    for key in sorted(value):
      _update(state, key)
      _update(state, value[key])
  elif isinstance(value, list | tuple):
    state.update(f"list {len(value)} ".encode())
    for item in value:
      _update(state, item)
  elif dataclasses.is_dataclass(value) and not isinstance(value, type):
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    _update(state, [type(value).__name__, fields])
  else:
    raise TypeError(f"{type(value).__name__} cannot name an artefact")


def file_digest(path: str | os.PathLike[str]) -> str:
  """SHA-256 of a file's content."""
  with open(path, "rb") as file:
    return hashlib.file_digest(file, "sha256").hexdigest()


def file_digests(paths: Iterable[pathlib.Path]) -> list[str]:
  """`file_digest` of many files, several at a time."""
  with ThreadPoolExecutor() as pool:
    return list(pool.map(file_digest, paths))


def path_digest(
  path: str | os.PathLike[str], without: str | os.PathLike[str] | None = None
) -> str | None:
  """Of a file's content, or of the names and contents in a folder; None where there is neither.

  Hidden files do not count, nor does a folder `without` inside it.
  """
  root, apart = pathlib.Path(path).resolve(), without and pathlib.Path(without).resolve()
  if not root.is_dir():
    return file_digest(root) if root.is_file() else None
  files: dict[str, pathlib.Path] = {}
  for folder, folders, names in os.walk(root, followlinks=True):
    here = pathlib.Path(folder)
    folders[:] = [n for n in folders if n[0] != "." and (here / n).resolve() != apart]
    files |= {(here / n).relative_to(root).as_posix(): here / n for n in names if n[0] != "."}
  return digest(sorted(files), file_digests(files[name] for name in sorted(files)))
