"""Artefacts: made once, whole or not at all, damage noticed, shared by processes."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from hfc_tf.errors import InputError
from hfc_tf.storage.store import Store

ROOT = pathlib.Path(__file__).parents[2]
# A process that opens the store and takes a second for one artefact.
MAKER = """
import os, pathlib, sys, time
from absl import logging
from hfc_tf.storage.store import Store
root, seconds = pathlib.Path(sys.argv[1]), float(sys.argv[2])
def make(folder):
  with open(root / "made.txt", "a") as file:
    print(os.getpid(), file=file)
  (folder / "half").write_text("1")
  time.sleep(seconds)
  (folder / "whole").write_text("2")
print((Store(root).artefact("s", 1, {}, make).path / "whole").read_text())
"""


def _start(root, seconds=1.0):
  return subprocess.Popen(
    [sys.executable, "-c", MAKER, str(root), str(seconds)], cwd=ROOT, text=True,
    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
  )  # fmt: skip


def _wait_for(root, count=1):
  """Until that many processes have begun to make it."""
  for _ in range(600):
    if (root / "made.txt").exists() and len((root / "made.txt").read_text().split()) >= count:
      return
    time.sleep(0.05)
  pytest.fail("no process began")


def _names(root):
  return sorted(path.name for path in (root / "s").iterdir())


def _make(calls, value=3.0):
  def compute():
    calls.append(value)
    return {"a/b": np.arange(value), "text": np.array("ünïcode")}

  return compute


def test_an_artefact_is_made_once(tmp_path):
  calls = []
  for _ in range(2):
    arrays, _ = Store(tmp_path).arrays("stage", 1, {"x": 1}, _make(calls))
    np.testing.assert_array_equal(arrays["a/b"], [0, 1, 2])
    assert str(arrays["text"]) == "ünïcode"
  assert calls == [3.0]


def test_other_inputs_stages_and_versions_are_other_artefacts(tmp_path):
  store, calls = Store(tmp_path), []
  keys = {
    store.arrays(stage, version, inputs, _make(calls))[1]
    for stage, version, inputs in [
      ("a", 1, {"x": 1}),
      ("b", 1, {"x": 1}),
      ("a", 2, {"x": 1}),
      ("a", 1, {"x": np.array([1, 2])}),
    ]
  }
  assert len(keys) == len(calls) == 4


@pytest.mark.parametrize(
  "damage", ["flip", "truncate", "remove", "{", '{"files": {}}', '{"files": 5}', "[" * 10**5]
)
def test_damage_is_noticed_named_and_mended(tmp_path, caplog, damage):
  store, calls = Store(tmp_path), []
  artefact = store.artefact("s", 1, {}, lambda folder: (folder / "f").write_bytes(b"whole"))
  place = artefact.path / "f"
  if damage == "flip":
    place.write_bytes(b"whole"[::-1])
  elif damage == "truncate":
    place.write_bytes(b"wh")
  elif damage == "remove":
    place.unlink()
  else:
    (artefact.path / "manifest.json").write_text(damage)
  again = store.artefact(
    "s", 1, {}, lambda folder: calls.append(1) or (folder / "f").write_bytes(b"whole")
  )
  assert calls == [1] and (again.path / "f").read_bytes() == b"whole"
  assert str(artefact.path) in caplog.text and "made again" in caplog.text


def test_a_failure_leaves_nothing_behind(tmp_path):
  store = Store(tmp_path)

  def fail(folder: pathlib.Path) -> None:
    (folder / "half").write_text("half")
    raise RuntimeError("killed")

  with pytest.raises(RuntimeError):
    store.artefact("s", 1, {}, fail)
  assert not [item for item in tmp_path.rglob("*") if item.is_file()]


def test_one_process_makes_it_and_the_others_wait(tmp_path):
  makers = [_start(tmp_path) for _ in range(3)]
  outputs = [maker.communicate(timeout=120) for maker in makers]
  assert [(maker.returncode, out) for maker, (out, _) in zip(makers, outputs, strict=True)] == [
    (0, "2\n")
  ] * 3
  assert len((tmp_path / "made.txt").read_text().split()) == 1
  assert sum("waiting for another process" in errors for _, errors in outputs) >= 1
  assert len(_names(tmp_path)) == 1  # no lock, nothing unfinished


def test_another_store_leaves_unfinished_work_alone(tmp_path):
  maker = _start(tmp_path, 3.0)
  _wait_for(tmp_path)
  Store(tmp_path)
  assert any(name.startswith(".unfinished") for name in _names(tmp_path))
  assert maker.communicate(timeout=120)[0] == "2\n"


def test_what_a_killed_process_left_is_removed_and_made_again(tmp_path):
  maker = _start(tmp_path, 60.0)
  _wait_for(tmp_path)
  waiting = _start(tmp_path, 0.0)
  maker.send_signal(signal.SIGKILL)
  assert maker.wait(timeout=60) == -signal.SIGKILL
  assert waiting.communicate(timeout=120)[0] == "2\n"  # a kill releases the lock
  assert len(_names(tmp_path)) == 1
  left = tmp_path / "s" / f".unfinished-abc~{os.uname().nodename}~{maker.pid}~0"
  left.mkdir()
  Store(tmp_path)
  assert len(_names(tmp_path)) == 1 and not left.exists()


def test_leftovers_of_living_processes_and_locked_ones_stay(tmp_path):
  (tmp_path / "s").mkdir()
  alive = tmp_path / "s" / f".unfinished-abc~{os.uname().nodename}~{os.getppid()}~0"
  elsewhere = tmp_path / "s" / ".unfinished-abd~elsewhere~1~0"
  for left in (alive, elsewhere):
    left.mkdir()
  Store(tmp_path)
  assert alive.exists() and not elsewhere.exists()


def test_where_locks_do_nothing_the_faster_process_wins(tmp_path):
  store, made = Store(tmp_path), []

  def make(folder: pathlib.Path) -> None:
    made.append(folder)
    (folder / "f").write_text("1")
    if len(made) == 1:  # as another process that knows of no lock
      Store(tmp_path).artefact("s", 1, {}, make)

  artefact = store.artefact("s", 1, {}, make)
  assert len(made) == 2 and (artefact.path / "f").read_text() == "1"
  assert len(_names(tmp_path)) == 1


def test_an_error_of_reading_is_not_one_of_the_folder(tmp_path):
  def make(folder: pathlib.Path) -> None:
    (tmp_path.parent / "nothing" / "image.png").read_bytes()

  with pytest.raises(FileNotFoundError):
    Store(tmp_path).artefact("s", 1, {}, make)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_one_line(tmp_path):
  tmp_path.chmod(0o500)
  with pytest.raises(InputError, match="folder that can be written"):
    Store(tmp_path / "out")


def test_a_file_in_the_place_of_the_folder_is_one_line(tmp_path):
  (tmp_path / "out").write_text("")
  with pytest.raises(InputError, match="folder that can be written"):
    Store(tmp_path / "out")
