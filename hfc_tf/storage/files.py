"""Files that are whole or not there, and what dead processes left of them."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO

from hfc_tf.errors import InputError
from hfc_tf.storage.locks import locked

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
  written = {out / name: unfinished(out / name) for name in files}
  try:
    with disk_errors(out):
      for (place, beside), content in zip(written.items(), files.values(), strict=True):
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(beside, "wb") as file:
          if callable(content):
            content(file)
          else:
            file.write(content)
          file.flush()
          os.fsync(file.fileno())
      for old in {path for pattern in stale for path in out.glob(pattern)} - set(written):
        old.unlink(missing_ok=True)
      for place, beside in written.items():
        os.replace(beside, place)
  finally:
    for beside in written.values():
      with contextlib.suppress(OSError):
        beside.unlink()


def writable_folder(path: pathlib.Path) -> None:
  """Makes a folder and checks that files can be written into it.

  Raises:
    InputError: when they cannot.
  """
  with disk_errors(path):
    path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path) as probe:
      probe.write(b"hfc_tf")


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


def clear_unfinished(folder: pathlib.Path) -> None:
  """Removes what dead processes left unfinished in a folder.

  Processes of this host are asked for by their number. Those of another one cannot be asked: that
  the lock of the place is to be had, or held by this thread, tells that they are gone.
  """
  for left in folder.glob(f"{_UNFINISHED}*~*~*~*"):
    name, host, process, _ = left.name.rsplit("~", 3)
    with locked(folder / name.removeprefix(_UNFINISHED), wait=False) as free:
      if not free or (host == socket.gethostname() and _is_alive(process)):
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
