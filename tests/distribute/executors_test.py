"""Jobs travel as plain data; chunks stream."""

import numpy as np
import pytest

from hfc_tf.distribute import Job, Local, executor
from hfc_tf.distribute.executors import streamed
from hfc_tf.distribute.job import Recent, unpack
from hfc_tf.errors import InputError
from tests.distribute import work


def _saved(path, value):
  np.save(path, value)
  return path


def test_a_packed_job_does_the_same_where_its_files_are_not(tmp_path):
  path = _saved(tmp_path / "more.npy", np.array([10.0, 20.0]))
  job = Job(work.adding, {"number": 3}, {"more": path})
  here, packed = job.build(), job.packed()
  path.unlink()
  values = np.array([1.0, 2.0])
  np.testing.assert_array_equal(here(values)["values"], [14, 25])
  np.testing.assert_array_equal(unpack(packed)(values)["values"], [14, 25])


def test_keys_name_function_arguments_and_contents(tmp_path):
  path = _saved(tmp_path / "more.npy", np.zeros(2))
  jobs = [
    Job(work.adding, {"number": 3}, {"more": path}),
    Job(work.adding, {"number": 4}, {"more": path}),
    Job(work.adding, {"number": 3}),
    Job(work.halving, {"number": 3}, {"more": path}),
  ]
  keys = [job.key() for job in jobs]
  assert len(set(keys)) == 4
  moved = Job(work.adding, {"number": 3}, {"more": _saved(tmp_path / "same.npy", np.zeros(2))})
  assert moved.key() == keys[0]
  _saved(path, np.ones(2))
  assert jobs[0].key() != keys[0]


def test_local_serves_in_order_and_builds_once(monkeypatch):
  built = []
  monkeypatch.setattr(Job, "build", lambda job: built.append(job) or work.adding({}, 1))
  with Local() as local:
    for _ in range(2):
      made = list(local.map(Job(work.adding, {"number": 1}), [{"values": i} for i in range(3)]))
  assert made == [(0, {"values": 1}), (1, {"values": 2}), (2, {"values": 3})]
  assert len(built) == 1


def test_the_least_recent_is_let_go_before_another_is_built():
  recent = Recent(2)
  assert recent.get("a", lambda: 1) == 1
  assert recent.get("b", lambda: 2) == 2
  assert recent.get("a", lambda: pytest.fail("built again")) == 1
  assert recent.get("c", lambda: list(recent._kept)) == ["a"]
  assert recent.get("b", lambda: 3) == 3


def test_an_executors_files_go_with_it():
  with Local() as local:
    paths = []
    for _ in range(2):
      local.job("key", lambda path: paths.append(path) or path.write_text("x"))
    assert len(paths) == 1 and paths[0].exists()
  assert not paths[0].exists()


def test_no_more_chunks_are_on_their_way_than_there_is_room_for():
  taken, room = [], [2]

  def chunks():
    for number in range(7):
      taken.append(number)
      yield {"number": number}

  returned, dropped = [], []

  def start():
    return streamed(chunks(), lambda chunk: chunk["number"], max, dropped.append, lambda: room[0])

  for number, handle in start():
    assert number == handle
    returned.append(number)
    assert len(taken) - len(returned) <= room[0]
    if len(returned) == 3:
      room[0] = 1  # a machine was lost
  assert sorted(returned) == list(range(7)) != returned
  assert dropped == []
  room[0] = 3
  abandoned = start()
  next(abandoned)
  abandoned.close()
  assert dropped == [0, 1]


def test_an_unknown_executor_is_one_line():
  with pytest.raises(InputError, match=r"--distribute among ray, mirrored; found 'spark'"):
    executor("spark")
  assert isinstance(executor(None), Local)
