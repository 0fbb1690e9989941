"""Files that are whole or not there, their locks, and what dead processes left of them."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import shutil
import socket
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO

import filelock
from absl import logging

from hfc_tf.errors import InputError

Content = bytes | Callable[[IO[bytes]], object]
_UNFINISHED = ".unfinished-"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


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
  """Makes a folder, in which files can be written or an InputError is raised."""
  with disk_errors(path):
    path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path) as probe:
      probe.write(b"hfc_tf")


@contextlib.contextmanager
def disk_errors(path: pathlib.Path) -> Iterator[None]:
  """Turns errors of writing below `path`, or of making it, into an InputError that says why."""
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


@contextlib.contextmanager
def locked(place: pathlib.Path, wait: bool = True) -> Iterator[bool]:
  """Holds the lock of a file or folder against other processes; the death of one releases it.

  A thread that holds it already gets it again. Where the file system knows no locks, there is none.
  Yields whether the lock is held: always, unless told not to wait. The folder must be there.
  """
  path = place.with_name(f".{place.name}.lock")
  lock = filelock.FileLock(path, is_singleton=True)
  try:
    try:
      lock.acquire(blocking=False)
    except filelock.Timeout:
      if not wait:
        yield False
        return
      logging.warning("waiting for another process to finish %s", place)
      lock.acquire()
  except (NotImplementedError, OSError) as error:
    if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
      raise
    logging.warning("%s cannot be locked: let no other process work there", place)
    yield True
    return
  try:
    yield True
  finally:
    if lock.lock_counter == 1:
      with contextlib.suppress(OSError):
        path.unlink()  # while it is held: whoever waits notices and makes a new one
    lock.release()


def unfinished(place: pathlib.Path) -> pathlib.Path:
  """Where this process writes what is renamed to `place` once it is whole."""
  mark = f"{socket.gethostname()}~{os.getpid()}~{uuid.uuid4().hex[:8]}"
  return place.with_name(f"{_UNFINISHED}{place.name}~{mark}")


def clear_unfinished(folder: pathlib.Path) -> None:
  """Removes what dead processes left unfinished in a folder.

  Those of this host are asked for by their number. Those of another one cannot be asked: that the
  lock of the place is to be had, or held by this thread, tells that they are gone.
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
  with contextlib.suppress(PermissionError, ValueError, OverflowError):  # somebody else's
    try:
      os.kill(int(process), 0)
    except ProcessLookupError:
      return False
  return True
