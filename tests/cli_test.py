import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = """
import errno
from absl import flags
from hfc_tf import cli
from hfc_tf.errors import InputError
KIND = flags.DEFINE_enum("kind", "fine", ["fine", "input", "full", "interrupt", "bug"], "What.")

def main():
  if KIND.value == "input":
    raise InputError("a cat", "a dog", "bring a cat")
  if KIND.value == "full":
    raise OSError(errno.ENOSPC, "No space left on device", "out/x")
  if KIND.value == "interrupt":
    raise KeyboardInterrupt
  if KIND.value == "bug":
    raise OSError(errno.ENOENT, "a bug", "x")
  print("fine")

cli.run(main)
"""


def _run(*command):
  environment = os.environ | {"PYTHONPATH": str(ROOT)}
  return subprocess.run(
    [sys.executable, *command], capture_output=True, text=True, env=environment, timeout=120
  )


@pytest.mark.parametrize(
  ("flag", "code", "line"),
  [
    ("--kind=input", 2, "expected a cat; found a dog; bring a cat"),
    ("--kind=full", 2, "expected to be able to write out/x; found No space left on device"),
    ("--kind=interrupt", 130, "interrupted"),
    ("--kind=other", 2, "--kind=other: value should be one of <fine|"),
    ("--knid=fine", 2, "Unknown command line flag 'knid'"),
    ("fine", 2, "argument 'fine' that belongs to no flag"),
  ],
)
def test_what_the_user_got_wrong_is_one_line(flag, code, line):
  done = _run("-c", PROGRAM, flag)
  assert done.returncode == code
  assert line in done.stderr and done.stderr.count("\n") == 1
  assert done.stdout == ""


def test_success_and_bugs():
  done = _run("-c", PROGRAM)
  assert (done.returncode, done.stdout) == (0, "fine\n")
  done = _run("-c", PROGRAM, "--kind=bug")
  assert done.returncode == 1 and "Traceback" in done.stderr


def test_download_data_reports_a_bad_flag_in_one_line():
  done = _run(str(ROOT / "bin" / "download_data"), "--size=9")
  assert done.returncode == 2
  assert done.stderr.startswith("expected known flags") and done.stderr.count("\n") == 1
