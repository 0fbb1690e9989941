import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags

from hfc_tf.commands import program
from hfc_tf.errors import InputError

ROOT = Path(__file__).parents[2]
# What TensorFlow writes from C++ when imported; muted unless another module came first.
NOTES = re.compile(
  r"^(WARNING: All log messages before|[IWE]0000 |To enable the following).*\n", re.M
)
flags.DEFINE_string("program_test_text", None, "For these tests.")
flags.DEFINE_float("program_test_number", None, "For these tests.")
flags.DEFINE_enum("program_test_kind", "fine", ["fine", "other"], "For these tests.")


@pytest.mark.parametrize(
  ("argument", "line"),
  [
    ("--program_test_kind=third", "--program_test_kind=third: value should be one of <fine|other>"),
    ("--program_test_knid=fine", "Unknown command line flag 'program_test_knid'"),
    ("fine", "argument 'fine' that belongs to no flag"),
  ],
)
def test_wrong_flags_are_one_line(capfd, argument, line):
  with pytest.raises(SystemExit) as end:
    program._parse(["program", argument])
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
    program._guarded(main)
  printed = capfd.readouterr().err
  assert end.value.code == code and line in printed and printed.count("\n") == 1


def test_bugs_keep_their_traceback():
  with pytest.raises(FileNotFoundError):
    program._guarded(lambda: os.stat("/no/such/file"))


def test_muting_ends(capfd):
  with program._muted():
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
  message = NOTES.sub("", done.stderr)
  assert done.returncode == 2 and done.stdout == ""
  assert message.startswith("expected known flags") and message.count("\n") == 1


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_take_no_file(closed, tmp_path):
  code = f"""
import os, sys
from hfc_tf.commands import program
def main():
  with open({str(tmp_path / "file")!r}, "w") as file:
    print("to stdout"); print("to stderr", file=sys.stderr)
    program.say("said"); os.write(2, b"raw")
    with program._muted():
      pass
    file.write(f"{{file.fileno() > 2}}")
program.run(main)
"""
  script = tmp_path / "script.py"
  script.write_text(code)
  environment = os.environ | {"PYTHONPATH": str(ROOT)}
  done = subprocess.run(f"{sys.executable} {script} {closed}", shell=True, env=environment)
  assert done.returncode == 0 and (tmp_path / "file").read_text() == "True"


@pytest.mark.parametrize("more", [{}, {"PYTHONUNBUFFERED": "1"}, {"LC_ALL": "C"}])
def test_a_pipe_that_ends_early(tmp_path, more):
  script = tmp_path / "script.py"
  script.write_text("""
from hfc_tf.commands import program
def main():
  for number in range(9999):
    program.say(f"{number} ü \\udcff")
program.run(main)
""")
  environment = os.environ | {"PYTHONPATH": str(ROOT), **more}
  done = subprocess.run(
    f"set -o pipefail; {sys.executable} {script} | head -1",
    shell=True, capture_output=True, text=True, env=environment, executable="/bin/bash",
  )  # fmt: skip
  assert done.returncode == 0 and done.stderr == "" and done.stdout.startswith("0 ")


@pytest.mark.parametrize("argument", ["--program_test_text=", "--program_test_number=nan"])
def test_values_that_say_nothing_are_refused(capfd, argument):
  with pytest.raises(SystemExit) as end:
    program._parse(["program", argument])
  flags.FLAGS.unparse_flags()
  flags.FLAGS.program_test_text = flags.FLAGS["program_test_number"].value = None
  assert end.value.code == 2 and argument[:12] in capfd.readouterr().err
