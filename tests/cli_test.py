import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags

from hfc_tf import cli
from hfc_tf.errors import InputError

ROOT = Path(__file__).parents[1]
# What TensorFlow writes from C++ when imported; cli mutes it unless another module came first.
NOTES = re.compile(
  r"^(WARNING: All log messages before|[IWE]0000 |To enable the following).*\n", re.M
)
flags.DEFINE_enum("cli_test_kind", "fine", ["fine", "other"], "For these tests.")


@pytest.mark.parametrize(
  ("argument", "line"),
  [
    ("--cli_test_kind=third", "--cli_test_kind=third: value should be one of <fine|other>"),
    ("--cli_test_knid=fine", "Unknown command line flag 'cli_test_knid'"),
    ("fine", "argument 'fine' that belongs to no flag"),
  ],
)
def test_wrong_flags_are_one_line(capfd, argument, line):
  with pytest.raises(SystemExit) as end:
    cli._parse(["program", argument])
  flags.FLAGS.unparse_flags()
  error = capfd.readouterr().err
  assert end.value.code == 2 and line in error and error.count("\n") == 1


@pytest.mark.parametrize(
  ("error", "code", "line"),
  [
    (InputError("a cat", "a dog", "bring a cat"), 2, "expected a cat; found a dog; bring a cat"),
    (OSError(errno.ENOSPC, "No space left", "out/x"), 2, "write out/x; found No space left; "),
    (OSError(errno.EROFS, "Read-only"), 2, "write the output folder; found Read-only; "),
    (KeyboardInterrupt(), 130, "interrupted"),
  ],
)
def test_what_the_user_got_wrong_is_one_line(capfd, error, code, line):
  def main():
    raise error

  with pytest.raises(SystemExit) as end:
    cli._guarded(main)
  printed = capfd.readouterr().err
  assert end.value.code == code and line in printed and printed.count("\n") == 1


def test_bugs_keep_their_traceback():
  with pytest.raises(FileNotFoundError):
    cli._guarded(lambda: os.stat("/no/such/file"))


def test_muting_ends(capfd):
  with cli._muted():
    os.write(2, b"hidden")
  os.write(2, b"seen")
  assert capfd.readouterr().err == "seen"


def test_a_binary_with_a_wrong_flag():
  done = subprocess.run(
    [sys.executable, ROOT / "bin" / "download_data", "--size=9"],
    capture_output=True,
    text=True,
    env=os.environ | {"PYTHONPATH": str(ROOT)},
    timeout=120,
  )
  own = NOTES.sub("", done.stderr)
  assert done.returncode == 2 and done.stdout == ""
  assert own.startswith("expected known flags") and own.count("\n") == 1
