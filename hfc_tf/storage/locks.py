"""One lock for whatever stands at one place on the disk."""

from __future__ import annotations

import contextlib
import errno
import pathlib
from collections.abc import Iterator

import filelock
from absl import logging

_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextlib.contextmanager
def locked(place: pathlib.Path, wait: bool = True) -> Iterator[bool]:
  """Holds the lock of a file or folder against other processes; the death of one releases it.

  A thread that holds it already gets it again. Where the file system knows no locks, there is none.

  Args:
    place: what is to be made or changed; its folder must be there.
    wait: until another process releases it, and say so.

  Yields:
    Whether the lock is held: always, if it is waited for.
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
    if isinstance(error, OSError) and error.errno not in _UNSUPPORTED:
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
