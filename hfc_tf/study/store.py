"""Files named by what they were made from, so that no work is done twice or half."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from absl import logging

from hfc_tf.errors import InputError
from hfc_tf.taps import Taps

Arrays = dict[str, np.ndarray[Any, Any]]
_MANIFEST = "manifest.json"


@dataclasses.dataclass(frozen=True)
class Artefact:
  """A finished folder of files.

  Attributes:
    key: hashes the stage, its version and its inputs (among them the keys of other artefacts).
    path: the folder.
  """

  key: str
  path: pathlib.Path


class Store:
  """A folder of artefacts.

  An artefact is written beside its place and renamed into it, with a manifest of its inputs and
  of the checksum of every file. What is there is whole; what is damaged since is noticed, named
  and made again.

  Args:
    root: the folder; made when missing.

  Raises:
    InputError: when the folder cannot be written.
  """

  def __init__(self, root: str | os.PathLike[str]) -> None:
    self.root = pathlib.Path(root)
    writable_folder(self.root)
    for left in self.root.glob("*/.unfinished-*"):  # of a killed run
      shutil.rmtree(left, ignore_errors=True)

  def artefact(
    self,
    stage: str,
    version: int,
    inputs: Mapping[str, Any],
    make: Callable[[pathlib.Path], None],
  ) -> Artefact:
    """The artefact of these inputs; `make` writes its files into an empty folder if need be."""
    described = json.dumps([stage, version, inputs], sort_keys=True, default=_plain)
    key = digest(stage, version, inputs)
    path = self.root / stage / key
    if path.exists():
      damage = _damage(path)
      if damage is None:
        return Artefact(key, path)
      logging.warning("%s is damaged (%s); it is made again", path, damage)
      shutil.rmtree(path)
    unfinished = path.with_name(f".unfinished-{key}-{uuid.uuid4().hex}")
    with _disk_errors(self.root):
      unfinished.mkdir(parents=True)
      try:
        make(unfinished)
        files = sorted(item for item in unfinished.rglob("*") if item.is_file())
        manifest = {
          "made_from": json.loads(described),
          "files": {str(item.relative_to(unfinished)): checksum(item) for item in files},
        }
        (unfinished / _MANIFEST).write_text(json.dumps(manifest, indent=1))
        os.replace(unfinished, path)
      finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Artefact(key, path)

  def arrays(
    self, stage: str, version: int, inputs: Mapping[str, Any], compute: Callable[[], Arrays]
  ) -> tuple[Arrays, str]:
    """Named arrays and their key; `compute` makes them if need be."""
    artefact = self.artefact(
      stage, version, inputs, lambda folder: save_arrays(folder / "arrays.npz", compute())
    )
    return load_arrays(artefact.path / "arrays.npz"), artefact.key


def digest(*parts: Any) -> str:
  """A short hash of plain values and arrays."""
  state = hashlib.sha256()
  for part in parts:
    if isinstance(part, np.ndarray):
      state.update(f"{part.dtype}{part.shape}".encode())
      state.update(np.ascontiguousarray(part).data)
    else:
      state.update(json.dumps(part, sort_keys=True, default=_plain).encode())
  return state.hexdigest()[:24]


def save_arrays(path: pathlib.Path, arrays: Mapping[str, Any]) -> None:
  """Writes named arrays as npz, whatever their names."""
  names = list(arrays)
  columns: Any = {f"a{number}": np.asarray(arrays[name]) for number, name in enumerate(names)}
  with open(path, "wb") as file:
    np.savez(file, names=np.array(json.dumps(names)), **columns)


def load_arrays(path: pathlib.Path) -> Arrays:
  """Reads what `save_arrays` wrote; objects are never unpickled."""
  with np.load(path, allow_pickle=False) as stored:
    names = json.loads(str(stored["names"]))
    return {name: stored[f"a{number}"] for number, name in enumerate(names)}


def save_taps(path: pathlib.Path, taps: Taps) -> None:
  """Writes taps as named arrays."""
  arrays: Arrays = {f"features/{name}": values for name, values in taps.features.items()}
  arrays |= {
    "logits": taps.logits,
    "labels": taps.labels,
    "penultimate": np.array(taps.penultimate),
  }
  if taps.head is not None:
    arrays |= {"kernel": taps.head[0], "bias": taps.head[1]}
  if taps.groups is not None:
    arrays["groups"] = taps.groups
  save_arrays(path, arrays)


def load_taps(path: pathlib.Path) -> Taps:
  """Reads what `save_taps` wrote."""
  arrays = load_arrays(path)
  prefix = "features/"
  return Taps(
    features={n.removeprefix(prefix): v for n, v in arrays.items() if n.startswith(prefix)},
    logits=arrays["logits"],
    labels=arrays["labels"],
    penultimate=str(arrays["penultimate"]),
    head=(arrays["kernel"], arrays["bias"]) if "kernel" in arrays else None,
    groups=arrays.get("groups"),
  )


def writable_folder(path: pathlib.Path) -> None:
  """Makes a folder and checks that files can be written into it.

  Raises:
    InputError: when they cannot.
  """
  with _disk_errors(path):
    path.mkdir(parents=True, exist_ok=True)
    probe = path / f".probe-{uuid.uuid4().hex}"
    probe.write_bytes(b"hfc_tf")
    probe.unlink()


@contextlib.contextmanager
def _disk_errors(path: pathlib.Path) -> Any:
  try:
    yield
  except OSError as error:
    if isinstance(error, InputError) or error.errno is None:
      raise
    raise InputError(
      f"a folder that can be written at {path}",
      str(error.strerror),
      "free space there or name another with --out",
    ) from error


def checksum(path: pathlib.Path) -> str:
  """SHA-256 of a file."""
  with open(path, "rb") as file:
    return hashlib.file_digest(file, "sha256").hexdigest()


def _damage(path: pathlib.Path) -> str | None:
  try:
    files = json.loads((path / _MANIFEST).read_text())["files"]
    for name, expected in files.items():
      if checksum(path / name) != expected:
        return f"{name} has changed"
  except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
    return f"{type(error).__name__}"
  return None


def _plain(value: Any) -> Any:
  if isinstance(value, np.ndarray):
    return value.tolist()
  if isinstance(value, np.generic):
    return value.item()
  if dataclasses.is_dataclass(value) and not isinstance(value, type):
    return dataclasses.asdict(value)
  raise TypeError(f"{type(value).__name__} cannot name an artefact")
