"""Files that are whole or not there, and what dead processes left of them."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO

from hfc_tf.errors import InputError

Content = bytes | Callable[[IO[bytes]], object]
_UNFINISHED = ".unfinished-"


def write_files(
  out_dir: str | os.PathLike[str], files: Mapping[str, Content], stale: Iterable[str] = ()
) -> None:
  """Writes files beside their place and renames them into it once all of them are complete.

  Args:
    out_dir: the folder; made where it is missing.
    files: contents, or functions that write them, by path relative to the folder.
    stale: patterns of files that go at the same moment unless they are among `files`.

  Raises:
    InputError: the folder cannot be made or written; none of the files is then half-written.
  """
  out = pathlib.Path(out_dir)
  written: list[tuple[pathlib.Path, pathlib.Path]] = []
  try:
    with disk_errors(out):
      for name, content in files.items():
        place = out / name
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = unfinished(place)
        written.append((beside, place))
        with open(beside, "wb") as file:
          if callable(content):
            content(file)
          else:
            file.write(content)
          file.flush()
          os.fsync(file.fileno())
      for old in [path for pattern in stale for path in out.glob(pattern)]:
        if old not in [place for _, place in written]:
          old.unlink(missing_ok=True)
      for beside, place in written:
        os.replace(beside, place)
  finally:
    for beside, _ in written:
      beside.unlink(missing_ok=True)


def writable_folder(path: pathlib.Path) -> None:
  """Makes a folder and checks that files can be written into it.

  Raises:
    InputError: when they cannot.
  """
  with disk_errors(path):
    path.mkdir(parents=True, exist_ok=True)
    probe = unfinished(path / "probe")
    probe.write_bytes(b"hfc_tf")
    probe.unlink()


@contextlib.contextmanager
def disk_errors(path: pathlib.Path) -> Iterator[None]:
  """Turns errors of writing below `path`, or of making it, into one line.

  Raises:
    InputError: says why the folder cannot be written.
  """
  try:
    yield
  except OSError as error:
    place = error.filename if isinstance(error.filename, str) else str(path)
    related = place.startswith(str(path)) or str(path).startswith(place)
    if error.errno is None or not related:
      raise
    raise InputError(
      f"a folder that can be written at {path}",
      error.strerror or str(error),
      "free space there or name another with --out",
    ) from error


def unfinished(place: pathlib.Path) -> pathlib.Path:
  """Where this process writes what is renamed to `place` once it is whole."""
  mark = f"{socket.gethostname()}~{os.getpid()}~{uuid.uuid4().hex[:8]}"
  return place.with_name(f"{_UNFINISHED}{place.name}~{mark}")


def unfinished_places(folder: pathlib.Path) -> set[pathlib.Path]:
  """The places in a folder of which unfinished work is there."""
  left = folder.glob(f"{_UNFINISHED}*~*~*~*")
  return {folder / path.name.removeprefix(_UNFINISHED).rsplit("~", 3)[0] for path in left}


def remove_unfinished(place: pathlib.Path) -> None:
  """Removes what dead processes left of `place`; the caller holds its lock.

  Processes of this host are asked for by their number. Those of another one cannot be asked: that
  the lock was to be had tells that they are gone.
  """
  for left in place.parent.glob(f"{_UNFINISHED}{place.name}~*~*~*"):
    _, host, process, _ = left.name.rsplit("~", 3)
    if host == socket.gethostname() and _is_alive(process):
      continue
    if left.is_dir():
      shutil.rmtree(left, ignore_errors=True)
    else:
      left.unlink(missing_ok=True)


def _is_alive(process: str) -> bool:
  try:
    os.kill(int(process), 0)
  except ProcessLookupError:
    return False
  except (OSError, ValueError, OverflowError):
    pass  # somebody else's
  return True
