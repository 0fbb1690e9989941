"""The driver's side of a contender: starts its process and asks it."""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

_THREADS = (
  "OMP_NUM_THREADS",
  "OPENBLAS_NUM_THREADS",
  "MKL_NUM_THREADS",
  "TF_NUM_INTRAOP_THREADS",
  "TF_NUM_INTEROP_THREADS",
)


class UnavailableError(Exception):
  """A contender that cannot run here, and why."""


class Process:
  """A running contender.

  Args:
    job: what its module's `start` is given; "module" names it.
    threads: of every library in it.
    python: the interpreter of its environment.

  Raises:
    UnavailableError: its package is missing, or it failed to start.
  """

  def __init__(self, job: Mapping[str, Any], threads: int, python: str = sys.executable) -> None:
    # The benchmark and the library alone are lent to the other environment, not what lies beside.
    self._folder = tempfile.TemporaryDirectory()
    place = pathlib.Path(self._folder.name)
    for package in ("benchmarks", "hfc_tf"):
      (origin,) = importlib.import_module(package).__path__
      (place / package).symlink_to(pathlib.Path(origin).resolve())
    environment = os.environ | dict.fromkeys(_THREADS, str(threads))
    environment |= {"PYTHONPATH": str(place), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"  # several processes share the device
    self._log = place / "log"
    try:
      with open(self._log, "wb") as log:
        self._process = subprocess.Popen(
          [python, "-P", "-m", "benchmarks.worker"],
          stdin=subprocess.PIPE,
          stdout=subprocess.PIPE,
          stderr=log,
          text=True,
          env=environment,
        )
    except OSError as error:
      self._folder.cleanup()
      raise UnavailableError(f"{python}: {error.strerror}") from error
    try:
      self.ask(job)
    except BaseException:
      self.close()
      raise

  def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to one message.

    Raises:
      UnavailableError: the contender failed, or its process ended.
    """
    assert self._process.stdin is not None and self._process.stdout is not None
    try:
      print(json.dumps(message), file=self._process.stdin, flush=True)
      line = self._process.stdout.readline()
    except BrokenPipeError:
      line = ""
    if not line:
      lines = self._log.read_text(errors="replace").split("\n")
      last = next((entry for entry in reversed(lines) if entry.strip()), "no word of why")
      raise UnavailableError(f"its process ended: {last.strip()}")
    answer: dict[str, Any] = json.loads(line)
    if "unavailable" in answer:
      raise UnavailableError(" ".join(answer["unavailable"].split())[:300])
    return answer

  def close(self) -> None:
    """Ends the process."""
    assert self._process.stdin is not None and self._process.stdout is not None
    self._process.kill()
    self._process.wait()
    self._process.stdin.close()
    self._process.stdout.close()
    self._folder.cleanup()

  def __enter__(self) -> Process:
    return self

  def __exit__(self, *error: object) -> None:
    self.close()
