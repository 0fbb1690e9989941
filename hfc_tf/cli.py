"""From flags to one library call; whatever the user got wrong ends in one line and exit code 2."""

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn

from absl import app, flags

from hfc_tf.errors import InputError

_OUTPUT_ERRORS = (errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EPERM, errno.EROFS)


@contextlib.contextmanager
def _muted() -> Iterator[None]:
  """Sends the process's stderr nowhere, what C++ writes included."""
  sys.stderr.flush()
  kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
  os.dup2(nowhere, 2)
  try:
    yield
  finally:
    os.dup2(kept, 2)
    os.close(kept)
    os.close(nowhere)


# TensorFlow writes a dozen lines when it is imported, whatever TF_CPP_MIN_LOG_LEVEL says, and would
# bury our one line; so it is imported here, before any other module can.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _muted():
  import tensorflow


def run(main: Callable[[], None]) -> None:
  """Parses the flags, calls `main` with deterministic operations and exits.

  Exit codes: 0; 2 after a wrong flag, an InputError or an output folder that cannot be written,
  with one line on stderr; 130 after control-C.
  """
  tensorflow.config.experimental.enable_op_determinism()
  app.run(lambda _: _guarded(main), flags_parser=_parse)


def _parse(argv: list[str]) -> list[str]:
  try:
    rest: list[str] = flags.FLAGS(argv)
    if len(rest) > 1:
      raise flags.Error(f"argument {rest[1]!r} that belongs to no flag")
  except flags.Error as error:
    _fail(InputError("known flags with valid values", str(error), "see --help"))
  return rest


def _guarded(main: Callable[[], None]) -> None:
  try:
    main()
  except InputError as error:
    _fail(error)
  except OSError as error:
    if error.errno not in _OUTPUT_ERRORS:
      raise
    place = error.filename or "the output folder"
    _fail(InputError(f"to be able to write {place}", str(error.strerror), "choose another --out"))
  except KeyboardInterrupt:
    print("interrupted", file=sys.stderr)
    sys.exit(130)


def _fail(error: InputError) -> NoReturn:
  print(error, file=sys.stderr)
  sys.exit(2)
