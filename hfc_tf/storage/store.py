"""Artefacts: folders of files, named by all they were made from, made once and whole."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from hfc_tf.storage.arrays import Arrays, load_arrays, save_arrays
from hfc_tf.storage.files import (
  clear_unfinished,
  disk_errors,
  locked,
  unfinished,
  writable_folder,
)  # fmt: skip
from hfc_tf.storage.hashing import digest, file_digest

_MANIFEST = "manifest.json"


class Artefact(NamedTuple):
  """A finished folder; its key hashes stage, version and inputs (other artefacts' keys too)."""

  key: str
  path: pathlib.Path


class Store:
  """A folder of artefacts, which several processes may share.

  Args:
    root: the folder; made when missing. What dead processes left unfinished in it is removed.

  Raises:
    InputError: when the folder cannot be written.
  """

  def __init__(self, root: str | os.PathLike[str]) -> None:
    self.root = pathlib.Path(root)
    writable_folder(self.root)
    for folder in [self.root, *(path for path in self.root.iterdir() if path.is_dir())]:
      clear_unfinished(folder)

  def artefact(
    self,
    stage: str,
    version: int,
    inputs: Mapping[str, Any],
    make: Callable[[pathlib.Path], None],
  ) -> Artefact:
    """The artefact of these inputs; `make` writes its files into an empty folder if need be."""
    path = self._place(stage, version, inputs)
    keep(path, make, made_from=[stage, version, inputs])
    return Artefact(path.name, path)

  def arrays(
    self, stage: str, version: int, inputs: Mapping[str, Any], compute: Callable[[], Arrays]
  ) -> tuple[Arrays, str]:
    """Named arrays and their key; `compute` makes them if need be."""
    artefact = self.artefact(
      stage, version, inputs, lambda folder: save_arrays(folder / "arrays.npz", compute())
    )
    return load_arrays(artefact.path / "arrays.npz"), artefact.key

  def kept_arrays(self, stage: str, version: int, inputs: Mapping[str, Any]) -> Arrays | None:
    """The arrays of these inputs if they are there and whole."""
    path = self._place(stage, version, inputs)
    return None if damage(path) else load_arrays(path / "arrays.npz")

  def lock(self, stage: str, inputs: Mapping[str, Any]) -> contextlib.AbstractContextManager[bool]:
    """Holds a lock while several artefacts are made of these inputs."""
    place = self._place(stage, 0, inputs)
    place.parent.mkdir(parents=True, exist_ok=True)
    return locked(place)

  def _place(self, stage: str, version: int, inputs: Mapping[str, Any]) -> pathlib.Path:
    return self.root / stage / digest(stage, version, inputs)


def keep(path: pathlib.Path, make: Callable[[pathlib.Path], None], made_from: Any) -> None:
  """Makes a folder, named by its key, unless it is there and whole.

  It is written beside its place and renamed into it, with a manifest of the checksum of every
  file. Of several processes one makes it and the others wait. What is damaged since it was made is
  named in a warning and made again.

  Args:
    make: writes its files into an empty folder.
    made_from: plain values and arrays, for a reader of the manifest.

  Raises:
    InputError: the folder cannot be written.
  """
  if not damage(path):
    return
  with disk_errors(path.parent):
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
      harm = damage(path)  # another process may have made it meanwhile
      if not harm:
        return
      if path.exists():
        logging.warning("%s is damaged (%s); it is made again", path, harm)
        shutil.rmtree(path)
      clear_unfinished(path.parent)
      beside = unfinished(path)
      beside.mkdir()
      try:
        make(beside)
        manifest = {"made_from": made_from, "files": checksums(beside)}
        (beside / _MANIFEST).write_text(json.dumps(manifest, indent=1, default=_plain))
        try:
          os.replace(beside, path)
        except OSError:
          if damage(path):  # else another process was faster, where locks do nothing
            raise
      finally:
        shutil.rmtree(beside, ignore_errors=True)


def checksums(folder: pathlib.Path, names: Iterable[str] | None = None) -> dict[str, str]:
  """The SHA-256 of files of a folder, all of them by default, by relative path."""
  if names is None:
    names = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
  return {name: file_digest(folder / name) for name in sorted(names)}


def damage(folder: pathlib.Path, manifest: str = _MANIFEST) -> str | None:
  """What is wrong with a folder whose manifest tells "files" as `checksums`; None: it is whole."""
  try:
    files = json.loads((folder / manifest).read_text())["files"]
    if not files:
      return f"{manifest}: no files"
    for name, expected in files.items():
      if file_digest(folder / name) != expected:
        return f"{name} has changed"
  except FileNotFoundError as error:
    return f"no {pathlib.Path(str(error.filename)).name}"
  except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
    return f"{manifest}: {type(error).__name__}"
  return None


def _plain(value: Any) -> Any:
  return value.tolist() if isinstance(value, np.ndarray | np.generic) else dataclasses.asdict(value)
