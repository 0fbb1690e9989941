"""--fail_if and --junit: refusals at the door, exit code, file."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from absl import flags

from hfc_tf.commands import fail_if
from hfc_tf.errors import InputError
from hfc_tf.study.config import Config

ROOT = Path(__file__).parents[2]
ROW = {"population": "successful", "attack": "bim", "hfc": False, "hfc_weight": 0.0}
ROW |= {"detector": "maha", "auc": 0.99}


@pytest.fixture(scope="module")
def check():
  made = fail_if.define("run_attack", False)
  yield made
  for name in ("fail_if", "junit"):
    delattr(flags.FLAGS, name)


@pytest.fixture
def judged(check):
  def run(*arguments):
    flags.FLAGS.unparse_flags()
    flags.FLAGS(["test", *arguments])
    lines = []
    check(Config())({"rows": [ROW]}, lines.append)
    return lines

  yield run
  flags.FLAGS["fail_if"].unparse()
  flags.FLAGS["junit"].unparse()


def test_the_exit_code_is_its_own_and_the_line_says_why(judged, tmp_path, capsys):
  path = tmp_path / "new" / "junit.xml"
  assert judged() == judged("--fail_if=maha.auc>0.995") == []
  assert judged("--fail_if=maha.auc<0.5,maha.auc<0.4", f"--junit={path}") == []
  assert ElementTree.parse(path).find("testsuite").get("tests") == "2"
  with pytest.raises(SystemExit) as end:
    judged("--fail_if=any.auc>0.9", f"--junit={path}")
  assert end.value.code == fail_if.EXIT_CODE == 3
  assert ElementTree.parse(path).find("testsuite").get("failures") == "1"


@pytest.mark.parametrize(
  ("arguments", "problem"),
  [
    (["--fail_if=maha.auk>0.9"], "a metric"),
    (["--fail_if=nobody.auc>0.9"], "a detector"),
    (["--fail_if=hfc:maha.auc>0.9"], "one of bim, plain;"),
    (["--junit=a.xml"], "--fail_if with --junit"),
    (["--fail_if=maha.auc>0.9", "--junit=/"], "a file at --junit"),
    (["--fail_if=maha.auc>0.9", "--junit=/dev/null/x/a.xml"], "to be able to write --junit"),
  ],
)
def test_what_is_wrong_is_said_before_any_work(judged, arguments, problem):
  with pytest.raises(InputError, match=problem):
    judged(*arguments)


def test_a_command_refuses_at_the_door():
  done = subprocess.run(
    [sys.executable, ROOT / "bin" / "run_attack", "--fail_if=maha.auk>0.9"],
    capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=120,
  )  # fmt: skip
  assert done.returncode == 2 and "a metric of --fail_if" in done.stderr
