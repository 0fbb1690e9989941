"""Two machines on loopback: one process's bytes, also when one of them dies in the middle."""

import collections
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from hfc_tf.attacks import PGD
from hfc_tf.attacks.export import numbers
from hfc_tf.distribute import Job, executor, jobs
from hfc_tf.errors import InputError
from tests.distribute import work
from tests.networks import tapped

pytest.importorskip("ray")
pytestmark = [pytest.mark.ray, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
SETTINGS = {"eps": 8 / 256, "steps": 6, "seed": 3}
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}
ONE_PROCESS = """
  import sys, numpy as np
  from hfc_tf.distribute import Executor
  from tests.distribute.cluster_test import attack_job, chunks
  for number, arrays in Executor().map(attack_job(), chunks()):
    np.save(f"{sys.argv[1]}/{number}.npy", arrays["images"])
"""


def attack_job():
  return jobs.attack_job(PGD(tapped(), **SETTINGS), 8, (8, 8, 3))


def chunks():
  given = numbers(PGD(tapped(), **SETTINGS))
  images = np.random.default_rng(0).uniform(size=(40, 8, 8, 3)).astype(np.float32)
  for start in range(0, 40, 8):
    ids = np.arange(start, start + 8)
    yield {
      "images": images[ids],
      "targets": np.full(8, start // 8 % 2, np.int32),
      "ids": ids,
      **given,
    }


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
  """Files of one process with one thread, which works while the cluster starts."""
  folder = tmp_path_factory.mktemp("one")
  threads = {"TF_NUM_INTRAOP_THREADS": "1", "TF_DETERMINISTIC_OPS": "1"}
  process = subprocess.Popen(
    [sys.executable, "-c", textwrap.dedent(ONE_PROCESS), str(folder)],
    env={**os.environ, **threads, "PYTHONPATH": str(ROOT)},
  )
  return folder, process


@pytest.fixture(scope="module")
def cluster(one_process):
  import ray.cluster_utils

  os.environ.setdefault("RAY_worker_niceness", "0")
  prompt = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 300}
  nodes = ray.cluster_utils.Cluster(
    initialize_head=True,
    head_node_args={
      **NODE,
      "node_ip_address": "127.0.0.2",
      "include_dashboard": False,
      "_system_config": {**prompt, "health_check_failure_threshold": 3},
    },
  )
  nodes.second = nodes.add_node(**NODE, node_ip_address="127.0.0.3")
  with executor("ray", ray_address=nodes.address) as ray_executor:
    yield nodes, ray_executor
  nodes.shutdown()


def test_both_machines_make_the_bytes_of_one_process(one_process, cluster):
  folder, process = one_process
  made = dict(cluster[1].map(attack_job(), chunks()))
  assert process.wait() == 0
  for number in range(5):
    expected = np.load(folder / f"{number}.npy", allow_pickle=False)
    np.testing.assert_array_equal(made[number]["images"], expected)


def test_a_workers_complaint_is_one_line_here(cluster):
  job = Job(work.refusing)
  with pytest.raises(InputError) as caught:
    list(cluster[1].map(job, [{"a": 1}]))
  assert str(caught.value) == "expected another chunk; found ['a']; give another"


def test_a_lost_machine_costs_only_what_it_had_not_finished(cluster, tmp_path):
  nodes, ray_executor = cluster
  log = tmp_path / "log"
  slow = {"slow_node": nodes.second.node_id, "slow_numbers": range(4, 10)}  # still busy when lost
  job = Job(work.halving, {"log": str(log), "seconds": 0.4, **slow})
  values = np.arange(12 * 50_000, dtype=np.float64).reshape(12, -1)  # too large to travel inline
  results, before = {}, set()
  for number, arrays in ray_executor.map(
    job, ({"number": n, "values": values[n]} for n in range(12))
  ):
    results[number] = arrays["values"]
    # Nothing new starts while this loop waits, so it asks once a result whether the machine works.
    if not before and len(results) >= 4 and _busy(log, nodes.second.node_id):
      before = set(results)
      nodes.remove_node(nodes.second, allow_graceful=False)
  np.testing.assert_array_equal(np.stack([results[n] for n in range(12)]), values / 2)
  entries = [line.split() for line in log.read_text().splitlines()]
  starts = collections.Counter(int(number) for word, number, _ in entries if word == "start")
  twice = {number for number, count in starts.items() if count > 1}
  assert twice and len(twice) <= 2 and not twice & before


def _busy(log, node):
  """Whether that machine has begun a chunk and not ended it."""
  entries = [line.split() for line in log.read_text().splitlines()]
  ended = {(number, place) for word, number, place in entries if word == "end"}
  return any(
    word == "start" and place == node and (number, place) not in ended
    for word, number, place in entries
  )


def test_too_many_threads_are_one_line(cluster):
  with pytest.raises(InputError, match="a machine with 99 processors"):
    executor("ray", threads=99)


def test_nobody_at_the_address_is_told_at_once(monkeypatch):
  import ray

  monkeypatch.setattr(ray, "is_initialized", lambda: False)  # of other tests
  with pytest.raises(InputError, match="Connection refused"):
    executor("ray", ray_address="127.0.0.1:1")


def test_more_threads_than_processors():
  with pytest.raises(InputError, match="lower --threads"):
    executor("ray", workers=1, threads=9999)
