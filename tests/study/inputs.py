"""Keys of artefacts, and inputs that differ in one thing each."""

import dataclasses
import inspect
import pathlib

import numpy as np
import pytest

from hfc_tf.attacks import PGD
from hfc_tf.attacks.objectives import FeatureMean
from hfc_tf.data.dataset import Dataset
from hfc_tf.data.splits import Split
from hfc_tf.storage.hashing import digest
from hfc_tf.storage.store import Store
from hfc_tf.study import victim
from hfc_tf.study.sources import Sources, content
from hfc_tf.study.victim import Victim
from hfc_tf.taps import TappedModel, Taps
from tests.networks import tiny

KERAS = tiny()
MODEL = TappedModel(KERAS)
BFLOAT16 = TappedModel(KERAS, precision="bfloat16")
BYTES = TappedModel(KERAS, bounds=(0.0, 255.0))
ROWS, TARGETS = np.array([3, 1, 2]), np.array([1, 0, 1], np.int32)
VICTIM = Victim(MODEL, "network", 3)
VICTIMS = [  # that differ in one thing each
  Victim(MODEL, "another", 3),
  Victim(BFLOAT16, "network", 3),
  Victim(BYTES, "network", 3),
]
DATASET = Dataset(
  name="drawn", source="synthetic",
  pixels=np.random.default_rng(0).integers(0, 65535, (60, 8, 8, 3), np.uint16),
  labels=np.arange(60, dtype=np.int32) % 2, ids=[f"{n}.png" for n in range(60)],
  groups=None, class_names=("well", "ill"),
)  # fmt: skip
SPLIT = Split(np.arange(48), np.arange(48, 60))
SOURCES = Sources(DATASET, SPLIT, content(DATASET))


class _Key(Exception):
  """The key of the artefact that was asked for."""


class Keys(Store):
  """Tells the key instead of making anything."""

  def __init__(self, root=pathlib.Path()):
    self.root = root

  def _place(self, stage, version, inputs):
    raise _Key(f"{stage} {digest(stage, version, inputs)}")


def key_of(call, *args, **others):
  with pytest.raises(_Key) as caught:
    call(*args, **others)
  return str(caught.value)


def check(function, base, changes, ignored=()):
  """One key for the same inputs, another for each change; every parameter is changed."""
  parameters = set(inspect.signature(function).parameters)
  assert parameters == set(changes) | set(ignored), "every input needs a change here"
  first = key_of(function, **base)
  assert key_of(function, **base) == first
  seen = {first: "nothing"}
  for name, values in changes.items():
    for value in values:
      key = key_of(function, **{**base, name: value})
      assert key not in seen, f"{name} changed as {seen.get(key)}"
      seen[key] = name
  return first


def altered(array, value=1):
  array = np.array(array)
  array.reshape(-1)[-1] += value
  return array


def taps_with(**changes):
  fields = {
    "features": {"z": np.ones((2, 3), np.float32)},
    "logits": np.ones((2, 2), np.float32),
    "labels": np.array([0, 1], np.int32),
    "penultimate": "z",
    "head": (np.ones((3, 2), np.float32), np.zeros(2, np.float32)),
    "groups": np.array([5, 6]),
  }
  assert set(changes) <= set(fields) == {field.name for field in dataclasses.fields(Taps)}
  return Taps(**{**fields, **changes})


SETTINGS = {
  "eps": 8 / 256, "step_size": 1 / 256, "steps": 3, "seed": 0, "random_start": True,
  "restarts": 1, "targeted": True, "batch_size": None,
}  # fmt: skip


def attacks():
  """PGD, and attacks that differ from it in one thing each."""
  base = PGD(MODEL, **SETTINGS)
  changes = {
    "eps": 4 / 256, "step_size": 2 / 256, "steps": 4, "seed": 1, "random_start": False,
    "restarts": 2, "targeted": False,
  }  # fmt: skip
  others = [PGD(MODEL, **{**SETTINGS, name: value}) for name, value in changes.items()]
  others += [PGD(model, **SETTINGS) for model in (BFLOAT16, BYTES)]
  terms = [base + FeatureMean("relu"), base + FeatureMean("first"), base + FeatureMean("relu")]
  terms[-1].weights = {**terms[-1].weights, FeatureMean("relu").name: 0.5}
  return base, others + terms


def on_another_device_or_version(stage, function, base, monkeypatch, versions):
  first = key_of(function, **base)
  versions(stage)
  second = key_of(function, **base)
  monkeypatch.setattr(victim, "device", lambda: "TPU")
  assert len({first, second, key_of(function, **base)}) == 3
