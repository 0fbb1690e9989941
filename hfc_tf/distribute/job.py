"""Work that any process can rebuild from plain data and files."""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import numpy as np

from hfc_tf.errors import InputError
from hfc_tf.storage.hashing import digest, file_digest

Arrays = dict[str, np.ndarray[Any, Any]]
Chunk = dict[str, Any]
Work = Callable[..., Arrays]
Kept = TypeVar("Kept")


@dataclasses.dataclass(frozen=True)
class Job:
  """A recipe: `make(files, **arguments)` returns the work, which turns a chunk into arrays.

      job = Job(program, {"rows": {"images": 32}}, {"program": "mine.zip"})

  Attributes:
    make: a function of a module, which workers import under its name.
    arguments: plain values, as json holds them.
    files: name -> path. Their contents travel, so that workers need not see the same disk.
  """

  make: Callable[..., Work]
  arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  files: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def key(self) -> str:
    """Hashes the function's name, the arguments and the content of the files."""
    contents = {name: file_digest(path) for name, path in self.files.items()}
    return digest(self.make.__module__, self.make.__qualname__, self.arguments, contents)

  def build(self) -> Work:
    """The work, made from the files where they are."""
    return self.make(
      {name: pathlib.Path(path) for name, path in self.files.items()}, **self.arguments
    )

  def packed(self) -> dict[str, Any]:
    """Everything that another machine needs for `unpack`."""
    return {
      "make": self.make,
      "arguments": dict(self.arguments),
      "files": {
        name: (pathlib.Path(path).suffix, np.fromfile(path, np.uint8))
        for name, path in self.files.items()
      },
    }


def unpack(packed: dict[str, Any]) -> Work:
  """The work of a job that was `packed` elsewhere."""
  with tempfile.TemporaryDirectory() as folder:
    paths = {}
    for name, (suffix, content) in packed["files"].items():
      paths[name] = pathlib.Path(folder) / f"{name}{suffix}"
      content.tofile(paths[name])
    return Job(packed["make"], packed["arguments"], paths).build()


class Recent(Generic[Kept]):
  """The few things that were asked for last: to build one takes longer than to use it."""

  def __init__(self, most: int = 4) -> None:
    self._most = most
    self._kept: dict[str, Kept] = {}

  def get(self, key: str, build: Callable[[], Kept]) -> Kept:
    """What has that key; if it has to be built, the one not asked for longest is let go first."""
    if key not in self._kept and len(self._kept) >= self._most:
      del self._kept[next(iter(self._kept))]
    found = self._kept.pop(key) if key in self._kept else build()
    self._kept[key] = found
    return found


class RemoteInputError(InputError):
  """An InputError of a worker, which arrives as its one line."""

  def __init__(self, line: str) -> None:
    ValueError.__init__(self, line)
