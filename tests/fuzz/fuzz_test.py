"""Damaged files of every kind: one line, soon, in bounded memory, and no wrong value in silence."""

import os
import sys

import numpy as np
import pytest

from tests.fuzz import run as module
from tests.fuzz.mutate import mutated
from tests.fuzz.run import run, table
from tests.fuzz.worker import READERS

FEW, MANY = 50, int(os.environ.get("HFC_TF_FUZZ_FILES", "0"))  # of each reader


def _check(first, count):
  lines = run(list(READERS), first, count)
  print(table(lines))
  assert {name: line.failures for name, line in lines.items() if line.failures} == {}
  assert {line.files for line in lines.values()} == {count}


def test_a_few_of_every_kind():
  _check(0, FEW)


@pytest.mark.slow
@pytest.mark.skipif(not MANY, reason="minutes long: set HFC_TF_FUZZ_FILES=500")
def test_many_of_every_kind():
  _check(FEW, MANY)


def test_a_file_is_its_number_alone():
  data, other = bytes(range(256)) * 4, bytes(1000)
  made = [mutated(data, np.random.default_rng(number), other)[0] for number in range(200)]
  again = [mutated(data, np.random.default_rng(number), other)[0] for number in range(200)]
  assert made == again and len(set(made)) > 150


_WORKER = """
import json, os, sys, time
for name, first, stop in (entry.split(":") for entry in sys.argv[1:]):
  print(json.dumps({"reader": name, "number": None}), flush=True)
  if name == "none":
    sys.exit("a valid file is refused")
  for number in range(int(first), int(stop)):
    print(json.dumps({"reader": name, "number": number}), flush=True)
    if number == 1:
      HARM
    print(json.dumps({"outcome": "refused", "why": "", "seconds": 0, "mib": 0}), flush=True)
"""


@pytest.mark.parametrize(
  ("harm", "message"),
  [
    ("os._exit(3)", "ended with 3"),
    ("os.kill(os.getpid(), 11)", "ended with -11"),
    ("time.sleep(99)", "no end"),
    ("room = bytearray(2**30); time.sleep(99)", "more than 512 MiB"),
  ],
)
def test_what_ends_a_process_is_a_failure_of_its_file_alone(harm, message, monkeypatch):
  monkeypatch.setattr(module, "_SILENCE", 2.0)
  monkeypatch.setattr(module, "_LIMIT", 512.0)
  worker = (sys.executable, "-c", _WORKER.replace("HARM", harm))
  lines = run(["none", "a", "b"], 0, 3, worker=worker)
  ((number, why),) = lines.pop("none").failures
  assert number is None and "a valid file is refused" in why
  for name, line in lines.items():
    assert line.refused == 2 and line.files == 3, name
    ((number, why),) = line.failures
    assert number == 1 and message in why
