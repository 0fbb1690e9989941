"""Two logical devices in a process of their own: chunks whole on each, training on both."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
  import json, sys, threading, keras
  import numpy as np, tensorflow as tf
  one = tf.config.LogicalDeviceConfiguration()
  tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [one, one])
  tf.config.experimental.enable_op_determinism()
  from hfc_tf.attacks import PGD
  from hfc_tf.attacks.export import numbers
  from hfc_tf.distribute import Executor, Job, executor, jobs
  from hfc_tf.distribute.executors import strategy
  from hfc_tf.models.training import train
  from tests.distribute import work
  from tests.models.training_test import Interrupted, data, dropout_net, linear_net, resnet, weights
  from tests.networks import tapped

  results = {}

  # attacks
  attack = PGD(tapped(), eps=8 / 256, steps=4, seed=1)
  images = np.random.default_rng(0).uniform(size=(24, 8, 8, 3)).astype(np.float32)
  ids = np.arange(24).reshape(6, 4)
  chunks = [
    {"images": images[i], "targets": np.ones(4), "ids": i, **numbers(attack)} for i in ids
  ]
  job = jobs.attack_job(attack, 4, (8, 8, 3))
  alone = dict(Executor().map(job, chunks))
  with executor("mirrored") as devices:
    both = dict(devices.map(job, chunks))
    results["same bytes"] = all((alone[i]["images"] == both[i]["images"]).all() for i in range(6))
    meeting = threading.Barrier(2, timeout=20)  # passed only by two chunks at once
    places = dict(devices.map(Job(work.meeting), [{"meeting": meeting}] * 4))
  results["devices"] = sorted({places[i]["device"] for i in places})

  # training
  def trained(kind, build, **settings):
    with strategy(kind).scope():
      model = build()
      settings = {"epochs": 3, "batch_size": 16, "learning_rate": 3e-3, "progress": str, **settings}
      history = train(model, *data(), *data(17, seed=1), **settings)  # shares of 1 and 0
    return weights(model), history

  def seeded():
    keras.utils.set_random_seed(0)
    return linear_net()

  pairs = zip(trained(None, seeded)[0], trained("mirrored", seeded)[0])
  results["largest difference"] = float(max(np.abs(a - b).max() for a, b in pairs))
  results["epochs with BatchNorm"] = len(trained("mirrored", resnet, epochs=1)[1])

  ends = []

  def stop(line):
    if "validation loss" in line:
      raise Interrupted

  def count(line):
    ends.extend([line] * ("validation loss" in line))

  calm, history = trained("mirrored", dropout_net)
  try:
    trained("mirrored", dropout_net, checkpoint_dir=sys.argv[1], progress=stop)
  except Interrupted:
    pass
  resumed, again = trained("mirrored", dropout_net, checkpoint_dir=sys.argv[1], progress=count)
  results["resumed alike"] = all((a == b).all() for a, b in zip(calm, resumed)) and again == history
  results["epochs after the stop"] = len(ends)
  print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
  output = subprocess.run(
    [sys.executable, "-c", textwrap.dedent(SCRIPT), str(tmp_path_factory.mktemp("devices"))],
    env={**os.environ, "PYTHONPATH": str(ROOT)},
    stdout=subprocess.PIPE,
    text=True,
    check=True,
  ).stdout
  return json.loads(output.splitlines()[-1])


def test_chunks_are_the_same_on_whichever_device(results):
  assert results["same bytes"]
  assert [name[-5:] for name in results["devices"]] == ["CPU:0", "CPU:1"]


def test_replicas_train_like_one_device_does(results):
  assert results["largest difference"] < 1e-5
  assert results["epochs with BatchNorm"] == 1


def test_training_on_replicas_resumes_to_the_same_bytes(results):
  assert results["resumed alike"] and results["epochs after the stop"] == 2
