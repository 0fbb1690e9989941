"""One contender in a process of its own: `python -m benchmarks.worker`.

The first line on stdin is a job (json); each further one a command. A line of json answers each.
Nothing but the contender's own module is imported, so that a peer's environment need not hold
what this library needs.
"""

import importlib
import json
import os
import sys
from typing import Any

import numpy as np


def peak_gib() -> float:
  """Peak resident memory of this process in GiB, 0 where the system does not tell.

  getrusage would count the parent's memory, from which this process was forked.
  """
  try:
    with open("/proc/self/status", encoding="ascii") as status:
      line = next(line for line in status if line.startswith("VmHWM:"))
  except (OSError, StopIteration):
    return 0.0
  return int(line.split()[1]) / 2**20


def _answer(contender: Any, command: dict[str, Any]) -> dict[str, Any]:
  if "check" in command:
    np.savez(command["check"], **contender.check())
    return {}
  return {**contender.run(command["run"]), "peak_gib": peak_gib()}


def main() -> None:
  """Serves until stdin ends."""
  answers = os.fdopen(os.dup(1), "w")
  os.dup2(2, 1)  # what libraries print is no answer
  sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # else it comes after the reason of an exit
  contender: Any = None
  for line in sys.stdin:
    message = json.loads(line)
    try:
      if contender is None:
        contender, answer = importlib.import_module(message["module"]).start(message), {}
      else:
        answer = _answer(contender, message)
    except ModuleNotFoundError as error:
      answer = {"unavailable": f"{error.name} is not installed"}
    except Exception as error:
      answer = {"unavailable": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
  main()
