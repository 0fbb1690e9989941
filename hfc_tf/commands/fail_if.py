"""--fail_if and --junit: a command that ends with an exit code of its own, for CI."""

from __future__ import annotations

import pathlib
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from absl import flags

from hfc_tf.errors import InputError
from hfc_tf.results.conditions import junit, outcomes, parse
from hfc_tf.study import values
from hfc_tf.study.config import Config

flags.disclaim_key_flags()  # so that --help of a command shows them as its own

EXIT_CODE = 3  # of a command whose condition holds, or cannot be told
# Experiments whose rows are `DetectionRow`s.
EXPERIMENTS = (
  "detection", "adaptive", "budget", "components", "defender", "medical_natural",
  "semi_white_box", "volumes",
)  # fmt: skip
_Judge = Callable[[Mapping[str, Any], Callable[[str], None]], None]


def define(command: str, hides: bool) -> Callable[[Config], _Judge]:
  """Defines both flags; returns what checks them and gives what judges a result.

  The judge takes what results.json holds and what prints a line; where a condition holds, or
  cannot be told, it exits with `EXIT_CODE`.
  """
  fail_if = flags.DEFINE_list(
    "fail_if", None,
    f"End with exit code {EXIT_CODE} where one of these holds (or was not measured): "
    "[ATTACK:][plain:|hfc:]DETECTOR.METRIC, >, >=, < or <=, NUMBER; DETECTOR or any, METRIC of "
    "results.json. E.g. hfc:maha.auc_two_sided>0.9",
  )  # fmt: skip
  report = flags.DEFINE_string("junit", None, "JUnit file (XML): a test case a --fail_if.")

  def check(config: Config) -> _Judge:
    start = time.monotonic()
    hidden = config.hfc or hides
    conditions = parse("--fail_if", fail_if.value, config.attacks, config.detectors, hidden)
    if report.value is not None:
      if not conditions:
        raise InputError("--fail_if with --junit", "none", "add it")
      path = pathlib.Path(report.value)
      if path.is_dir():
        raise InputError("a file at --junit", f"the folder {path}", "name a file in it")
      values.writable("--junit", str(path.parent))

    def judge(complete: Mapping[str, Any], say: Callable[[str], None]) -> None:
      results = outcomes(conditions, complete["rows"])
      if report.value is not None:
        from hfc_tf.storage.files import write_files

        path = pathlib.Path(report.value)
        text = junit(results, command, time.monotonic() - start)
        write_files(path.parent, {path.name: text})
      lines = [each.line for each in results if each.line]
      for line in lines:
        say(line)
      if lines:
        sys.exit(EXIT_CODE)

    return judge

  return check
