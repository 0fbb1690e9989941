"""Keys of artefacts: another one for a change of any input, the same for the same inputs."""

import dataclasses
import inspect
import pathlib
import types

import numpy as np
import pytest

from hfc_tf.attacks import PGD
from hfc_tf.attacks.objectives import FeatureMean
from hfc_tf.data.cache import key as cache_key
from hfc_tf.data.dataset import Dataset
from hfc_tf.data.splits import Split
from hfc_tf.experiments import ood, reproduce, stress_test
from hfc_tf.experiments.natural import Natural
from hfc_tf.storage import keys
from hfc_tf.storage.hashing import digest
from hfc_tf.storage.store import Store
from hfc_tf.study import attacked, parts, stages
from hfc_tf.study.config import Config
from hfc_tf.taps import TappedModel, Taps
from tests.networks import tiny

KERAS = tiny()
MODEL = TappedModel(KERAS)
BFLOAT16 = TappedModel(KERAS, precision="bfloat16")
BYTES = TappedModel(KERAS, bounds=(0.0, 255.0))
ROWS, TARGETS = np.array([3, 1, 2]), np.array([1, 0, 1], np.int32)
SUBJECT = stages.Subject(MODEL, "network", 3)
SUBJECTS = [  # that differ in one thing each
  stages.Subject(MODEL, "another", 3),
  stages.Subject(BFLOAT16, "network", 3),
  stages.Subject(BYTES, "network", 3),
]
DATASET = Dataset(
  name="drawn", source="synthetic",
  pixels=np.random.default_rng(0).integers(0, 65535, (60, 8, 8, 3), np.uint16),
  labels=np.arange(60, dtype=np.int32) % 2, ids=[f"{n}.png" for n in range(60)],
  groups=None, class_names=("well", "ill"),
)  # fmt: skip
SPLIT = Split(np.arange(48), np.arange(48, 60))
SOURCES = stages.Sources(DATASET, SPLIT, stages.content(DATASET))


class _Found(Exception):
  """The key of the artefact that was asked for."""


class _Keys(Store):
  """Tells the key instead of making anything."""

  def __init__(self, root=pathlib.Path()):
    self.root = root

  def _place(self, stage, version, inputs):
    raise _Found(f"{stage} {digest(stage, version, inputs)}")


def _key(call, *args, **others):
  with pytest.raises(_Found) as found:
    call(*args, **others)
  return str(found.value)


def _check(function, base, changes, ignored=()):
  """One key for the same inputs, another for each change; every parameter is changed."""
  parameters = set(inspect.signature(function).parameters)
  assert parameters == set(changes) | set(ignored), "every input needs a change here"
  first = _key(function, **base)
  assert _key(function, **base) == first
  seen = {first: "nothing"}
  for name, values in changes.items():
    for value in values:
      key = _key(function, **{**base, name: value})
      assert key not in seen, f"{name} changed as {seen.get(key)}"
      seen[key] = name
  return first


@pytest.fixture
def versions(monkeypatch):
  """Raises the version of a stage's code."""
  return lambda stage: monkeypatch.setitem(keys.VERSIONS, stage, 99)


def _changed(array, value=1):
  array = np.array(array)
  array.reshape(-1)[-1] += value
  return array


def test_data():
  changes = {
    "pixels": [_changed(DATASET.pixels), DATASET.pixels[::-1]],
    "labels": [1 - DATASET.labels],
    "ids": [DATASET.ids[::-1]],
    "groups": [np.arange(60), np.arange(60) // 2],
    "class_names": [("ill", "well")],
  }
  assert set(changes) | {"name", "source"} == {f.name for f in dataclasses.fields(Dataset)}
  found = [
    stages.content(dataclasses.replace(DATASET, **{name: value}))
    for name, values in changes.items()
    for value in values
  ]
  assert len({SOURCES.key, *found}) == len(found) + 1
  assert stages.content(dataclasses.replace(DATASET, name="x", pixels=DATASET.pixels.copy())) == (
    SOURCES.key
  )


def test_split():
  base = {"config": Config(), "dataset": DATASET, "store": _Keys(), "key": "images"}
  changes = {"config": [Config(seed=1)], "key": ["others"]}
  _check(parts.train_test, base, changes, ignored=("dataset", "store"))


def test_classifier(tmp_path, monkeypatch, versions):
  one, other = tmp_path / "one.h5", tmp_path / "other.h5"
  one.write_bytes(b"1")
  other.write_bytes(b"2")
  settings = {"epochs": 2, "batch_size": 8, "learning_rate": 0.1, "seed": 0, "weights": None}
  changed = {
    "epochs": [3], "batch_size": [9], "learning_rate": [0.2], "seed": [1],
    "weights": ["imagenet", str(one), str(other)],
  }  # fmt: skip
  assert set(changed) == set(settings)
  base = {
    "store": _Keys(), "sources": SOURCES, "name": "resnet50", "settings": settings,
    "strategy": types.SimpleNamespace(num_replicas_in_sync=1),
  }  # fmt: skip
  changes = {
    "sources": [
      stages.Sources(DATASET, SPLIT, "other images"),
      stages.Sources(DATASET, Split(np.arange(1, 48), SPLIT.test), SOURCES.key),
    ],
    "name": ["vgg16"],
    "settings": [{**settings, name: v} for name, values in changed.items() for v in values],
    "strategy": [types.SimpleNamespace(num_replicas_in_sync=2)],
  }
  _check(stages.classifier, base, changes, ("store",))
  _on_another_device_or_version("classifier", stages.classifier, base, monkeypatch, versions)


def _on_another_device_or_version(stage, function, base, monkeypatch, versions):
  first = _key(function, **base)
  versions(stage)
  second = _key(function, **base)
  monkeypatch.setattr(stages, "device", lambda: "TPU")
  assert len({first, second, _key(function, **base)}) == 3


def test_taps(monkeypatch, versions):
  base = {"store": _Keys(), "sources": SOURCES, "subject": SUBJECT, "rows": ROWS, "batch_size": 8}
  changes = {
    "sources": [stages.Sources(DATASET, SPLIT, "other images")],
    "subject": SUBJECTS,
    "rows": [ROWS[::-1], ROWS[:2], _changed(ROWS)],
    "batch_size": [9],
  }
  _check(stages.clean_taps, base, changes, ("store",))
  _on_another_device_or_version("taps", stages.clean_taps, base, monkeypatch, versions)


def test_density(versions):
  base = {"store": _Keys(), "train": None, "train_key": "taps", "components": 2, "seed": 0}
  changes = {"train_key": ["others"], "components": [3], "seed": [1]}
  first = _check(stages.density, base, changes, ("store", "train"))  # `train_key` is of `train`
  versions("density")
  assert _key(stages.density, **base) != first


def _taps(**changes):
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


def test_detector(monkeypatch, versions):
  others = [
    _taps(features={"y": np.ones((2, 3), np.float32)}),
    _taps(features={"z": _changed(np.ones((2, 3), np.float32))}),
    _taps(logits=_changed(np.ones((2, 2), np.float32))),
    _taps(labels=np.array([1, 1], np.int32)),
    _taps(penultimate="y"),
    _taps(head=None),
    _taps(head=(np.ones((3, 2), np.float32), np.ones(2, np.float32))),
    _taps(groups=None),
    _taps(groups=np.array([5, 5])),
  ]
  names = ("train", "clean", "noisy", "adversarial")
  taps = {name: _taps() for name in names}
  images = {name: np.zeros((2, 4, 4, 3), np.float32) for name in names[1:]}
  lessons = [stages.Lesson({**taps, name: other}, images) for name in names for other in others]
  lessons += [stages.Lesson(taps, {**images, name: _changed(images[name])}) for name in images]
  settings = {"seed": 0, "layers": ["z"]}
  base = {
    "store": _Keys(), "name": "kd", "settings": settings, "subject": SUBJECT,
    "lesson": stages.Lesson(taps, images),
  }  # fmt: skip
  changes = {
    "name": ["maha"],
    "settings": [{**settings, "seed": 1}, {**settings, "layers": ["y"]}, {"seed": 0}],
    "subject": SUBJECTS,
    "lesson": lessons,
  }
  _check(stages.detector, base, changes, ("store",))
  _on_another_device_or_version("detector", stages.detector, base, monkeypatch, versions)


SETTINGS = {
  "eps": 8 / 256, "step_size": 1 / 256, "steps": 3, "seed": 0, "random_start": True,
  "restarts": 1, "targeted": True, "batch_size": None,
}  # fmt: skip


def _attacks():
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


def test_adversarials(monkeypatch, versions, tmp_path):
  base_attack, attacks = _attacks()

  base = {
    "store": _Keys(tmp_path), "sources": SOURCES, "subject": SUBJECT, "attack": base_attack,
    "described": {"label": "pgd"}, "rows": ROWS, "targets": TARGETS, "batch_size": 4,
  }  # fmt: skip
  changes = {
    "sources": [stages.Sources(DATASET, SPLIT, "other images")],
    "subject": SUBJECTS[:1],  # the attack's model is what is run
    "attack": attacks,
    "described": [{"label": "pgd", "threads": 2}],
    "rows": [ROWS + 1],
    "targets": [1 - TARGETS],
    "batch_size": [8],
  }
  _check(attacked.adversarials, base, changes, ("store", "executor"))
  _on_another_device_or_version("adversarials", attacked.adversarials, base, monkeypatch, versions)


def test_batch_size(monkeypatch, versions):
  base_attack, attacks = _attacks()
  base = {
    "store": _Keys(), "subject": SUBJECT, "attack": base_attack, "described": {},
    "shape": (8, 8, 3),
  }  # fmt: skip
  changes = {
    "subject": SUBJECTS[:1],
    "attack": attacks,
    "described": [{"hfc": True}],
    "shape": [(9, 8, 3)],
  }
  _check(attacked.batch_size, base, changes, ("store",))
  _on_another_device_or_version("batch_size", attacked.batch_size, base, monkeypatch, versions)


def _study(rows=ROWS, sources=SOURCES, subject=SUBJECT, seed=0):
  return types.SimpleNamespace(
    rows_of={"adv_test": rows}, sources=sources, subject=subject, store=_Keys(),
    timed=lambda _, make: make(), config=Config(seed=seed), clean={"adv_test": _taps()},
  )  # fmt: skip


def test_stress_test(monkeypatch, versions):
  base_attack, attacks = _attacks()
  function = stress_test._mean_after
  some = np.arange(3)
  base = {"study": _study(), "attack": base_attack, "layer": "relu", "some": some}
  changes = {
    "study": [
      _study(rows=_changed(ROWS)),
      _study(sources=stages.Sources(DATASET, SPLIT, "other images")),
      _study(subject=SUBJECTS[0]),
    ],
    "attack": [*attacks, PGD(MODEL, **{**SETTINGS, "batch_size": 8})],
    "layer": ["first"],
    "some": [some[:2]],
  }
  _check(function, base, changes)
  _on_another_device_or_version("stress", function, base, monkeypatch, versions)


def test_lesions(monkeypatch, versions):
  base = {"study": _study(), "size": "small", "count": 2, "draw": 0}
  changes = {
    "study": [
      _study(rows=_changed(ROWS)),
      _study(sources=stages.Sources(DATASET, SPLIT, "other images")),
      *(_study(subject=subject) for subject in SUBJECTS),
      _study(seed=1),
    ],
    "size": ["large"],
    "count": [3],
    "draw": [1],
  }
  _check(ood._taps, base, changes)
  _on_another_device_or_version("lesions", ood._taps, base, monkeypatch, versions)


def test_decoded_images(tmp_path, versions):
  paths = [tmp_path / "a.png", tmp_path / "b.png"]
  for path in paths:
    path.write_bytes(path.name.encode())
  found = [
    cache_key(paths, [64, None]),
    cache_key(paths, [32, None]),
    cache_key(paths, [64, 1]),
    cache_key(paths[::-1], [64, None]),
    cache_key(paths[:1], [64, None]),
  ]
  paths[1].write_bytes(b"other")
  found.append(cache_key(paths, [64, None]))
  versions("decoded")
  found.append(cache_key(paths, [64, None]))
  assert len(set(found)) == len(found)


CHANGED = {
  "dataset": "fundus", "data_dir": "data", "split": "split.json", "image_size": 32, "depth": 8,
  "window": ("40", "80"), "num_images": 100, "model": "vgg16", "model_path": "mine.keras",
  "preprocessing": "tf", "precision": "bfloat16", "weights": "w.h5", "epochs": 3,
  "learning_rate": 0.5, "model_seed": 4, "attacks": ("pgd",), "hfc": True, "hfc_weights": ("2",),
  "aim": "typical", "eps_256": 2.0, "step_size_256": 0.5, "steps": 7, "components": 3,
  "detectors": ("kd",), "retrain": "hfc", "target": "next", "max_adv_train": 50,
  "max_adv_test": 60, "tuning_images": 5, "min_accuracy": 0.1, "seed": 5, "batch_size": 9,
  "distribute": "ray", "ray_address": "here", "workers": 2, "threads": 3, "out": "elsewhere",
  "artefacts": "kept",
}  # fmt: skip


def test_what_reproduce_has_finished(tmp_path, versions):
  assert set(CHANGED) == {field.name for field in dataclasses.fields(Config)}

  def key(natural=None, **changes):
    config = Config(**changes)
    (task,) = reproduce.plan(config, ["stress_test"], natural, typed=CHANGED)
    return task.key

  found = [key(), *(key(**{name: value}) for name, value in CHANGED.items())]
  folder, file = tmp_path / "data", tmp_path / "mine.keras"
  folder.mkdir()
  for content in (b"1", b"2"):
    (folder / "x.png").write_bytes(content)
    file.write_bytes(content)
    found.append(key(data_dir=str(folder)))
    found.append(key(natural=Natural(str(folder))))
    found += [key(**{name: str(file)}) for name in ("split", "model_path", "weights")]
  assert len(set(found)) == len(found)
  assert key() == found[0]
  versions("taps")
  assert key() not in found
