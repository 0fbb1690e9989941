"""Jobs travel as plain data; chunks stream."""

import pickle
import weakref

import numpy as np
import pytest

from hfc_tf.distribute import Executor, Job, executor
from hfc_tf.distribute.executors import streamed
from hfc_tf.errors import InputError
from tests.distribute import work


def test_a_job_travels_as_plain_data():
  job = Job(work.adding, {"number": 3, "more": np.array([10.0, 20.0])})
  values = np.array([1.0, 2.0])
  for here in (job, pickle.loads(pickle.dumps(job))):
    np.testing.assert_array_equal(here.build()(values)["values"], [14, 25])


def test_a_complaint_travels_as_one_line():
  complaint = pickle.loads(pickle.dumps(InputError("a {cat}", "a dog", "bring\na cat")))
  assert isinstance(complaint, InputError)
  assert str(complaint) == "expected a {cat}; found a dog; bring a cat"


def test_local_serves_in_order_and_builds_once(monkeypatch):
  built = []
  monkeypatch.setattr(Job, "build", lambda job: built.append(job) or work.adding(1))
  with Executor() as local:
    job = Job(work.adding, {"number": 1})
    for _ in range(2):
      made = list(local.map(job, [{"values": i} for i in range(3)]))
  assert made == [(0, {"values": 1}), (1, {"values": 2}), (2, {"values": 3})]
  assert len(built) == 1


def test_few_works_and_jobs_stay_in_memory():
  alive, made = weakref.WeakSet(), []

  class Program:
    def __call__(self):
      return {}

  def build(number):
    program = Program()
    alive.add(program)
    return program

  def job(number):
    return local.job(f"{number}", lambda: made.append(number) or Job(build, {"number": number}))

  with Executor() as local:
    for number in (0, 1, 0, 2, 3, 0):  # the least recent is let go
      list(local.map(job(number), [{}]))
      assert len(alive) <= 3
  assert made == [0, 1, 2, 3]


def test_no_more_chunks_are_on_their_way_than_there_is_room_for():
  taken, limit = [], [2]

  def chunks():
    for number in range(7):
      taken.append(number)
      yield {"number": number}

  returned, dropped = [], []

  def start():
    return streamed(
      chunks(), lambda chunk: chunk["number"], max, str, dropped.append, lambda: limit[0]
    )

  for number, result in start():
    assert f"{number}" == result
    returned.append(number)
    assert len(taken) - len(returned) <= limit[0]
    if len(returned) == 3:
      limit[0] = 1  # a machine was lost
  assert sorted(returned) == list(range(7)) != returned
  assert dropped == []
  limit[0] = 3
  abandoned = start()
  next(abandoned)
  abandoned.close()
  assert dropped == [0, 1]


def test_an_unknown_executor_is_one_line():
  with pytest.raises(InputError, match=r"--distribute among ray, mirrored; found 'spark'"):
    executor("spark")
  assert isinstance(executor(None), Executor)
