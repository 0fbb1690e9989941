"""Keys of artefacts: another one for a change of any input, else the same."""

import dataclasses
import types

import numpy as np
import pytest

from hfc_tf.data.dataset import Dataset
from hfc_tf.data.splits import Split
from hfc_tf.storage import keys
from hfc_tf.storage.hashing import digest
from hfc_tf.study import adversarials, sources, stages, victim
from hfc_tf.study.attacks import make as make_attack
from hfc_tf.study.config import Config
from hfc_tf.variants import parse
from tests.study.inputs import (
  DATASET,
  MODEL,
  ROWS,
  SOURCES,
  SPLIT,
  TARGETS,
  VICTIM,
  VICTIMS,
  Keys,
  altered,
  attacks,
  check,
  key_of,
  on_another_device_or_version,
  taps_with,
)


@pytest.fixture
def versions(monkeypatch):
  """Raises the version of a stage's code."""
  return lambda stage: monkeypatch.setitem(keys.VERSIONS, stage, 99)


def test_data():
  changes = {
    "pixels": [altered(DATASET.pixels), DATASET.pixels[::-1]],
    "labels": [1 - DATASET.labels],
    "ids": [DATASET.ids[::-1]],
    "groups": [np.arange(60), np.arange(60) // 2],
    "class_names": [("ill", "well")],
    "bits": [12],
    "grid": ["16", "float"],
  }
  # What is said of the files, or decides over groups and the split, whose keys hold them.
  others = {"name", "source", "skipped", "grouped_by", "trained", "copies", "facts"}
  assert set(changes) | others == {f.name for f in dataclasses.fields(Dataset)}
  contents = [
    sources.content(dataclasses.replace(DATASET, **{name: value}))
    for name, values in changes.items()
    for value in values
  ]
  assert len({SOURCES.key, *contents}) == len(contents) + 1
  assert sources.content(dataclasses.replace(DATASET, name="x", pixels=DATASET.pixels.copy())) == (
    SOURCES.key
  )


def test_split():
  base = {"config": Config(), "dataset": DATASET, "store": Keys(), "key": "images"}
  changes = {"config": [Config(seed=1)], "key": ["others"]}
  check(sources.train_test, base, changes, ignored=("dataset", "store"))


def test_classifier(tmp_path, monkeypatch, versions):
  one, other = tmp_path / "one.h5", tmp_path / "other.h5"
  one.write_bytes(b"1")
  other.write_bytes(b"2")
  settings = {"epochs": 2, "batch_size": 8, "learning_rate": 0.1, "seed": 0, "weights": None,
              "preprocessing": "none"}  # fmt: skip
  changed = {
    "epochs": [3], "batch_size": [9], "learning_rate": [0.2], "seed": [1],
    "weights": ["imagenet", str(one), str(other)], "preprocessing": ["caffe"],
  }  # fmt: skip
  assert set(changed) == set(settings)
  changed["crop"] = [[8, 8], [8, 7]]  # there only where it is given
  base = {
    "store": Keys(), "sources": SOURCES, "name": "resnet50", "settings": settings,
    "devices": types.SimpleNamespace(num_replicas_in_sync=1),
  }  # fmt: skip
  changes = {
    "sources": [
      sources.Sources(DATASET, SPLIT, "other images"),
      sources.Sources(DATASET, Split(np.arange(1, 48), SPLIT.test), SOURCES.key),
    ],
    "name": ["vgg16"],
    "settings": [{**settings, name: v} for name, values in changed.items() for v in values],
    "devices": [types.SimpleNamespace(num_replicas_in_sync=2)],
  }
  check(victim.trained_classifier, base, changes, ("store",))
  on_another_device_or_version("classifier", victim.trained_classifier, base, monkeypatch, versions)


def test_taps(monkeypatch, versions):
  base = {"store": Keys(), "sources": SOURCES, "victim": VICTIM, "rows": ROWS}
  changes = {
    "sources": [sources.Sources(DATASET, SPLIT, "other images")],
    "victim": VICTIMS,
    "rows": [ROWS[::-1], ROWS[:2], altered(ROWS)],
  }
  check(stages.clean_taps, base, changes, ("store",))
  on_another_device_or_version("taps", stages.clean_taps, base, monkeypatch, versions)


def test_density(versions):
  base = {"store": Keys(), "train": None, "train_key": "taps", "components": 2, "seed": 0}
  changes = {"train_key": ["others"], "components": [3], "seed": [1], "covariance": ["full"]}
  first = check(stages.density, base, changes, ("store", "train"))  # `train_key` is of `train`
  versions("density")
  assert key_of(stages.density, **base) != first


def test_detector(monkeypatch, versions):
  others = [
    taps_with(features={"y": np.ones((2, 3), np.float32)}),
    taps_with(features={"z": altered(np.ones((2, 3), np.float32))}),
    taps_with(logits=altered(np.ones((2, 2), np.float32))),
    taps_with(labels=np.array([1, 1], np.int32)),
    taps_with(penultimate="y"),
    taps_with(head=None),
    taps_with(head=(np.ones((3, 2), np.float32), np.ones(2, np.float32))),
    taps_with(groups=None),
    taps_with(groups=np.array([5, 5])),
  ]
  names = ("train", "clean", "noisy", "adversarial")
  taps = {name: taps_with() for name in names}
  images = {name: np.zeros((2, 4, 4, 3), np.float32) for name in names[1:]}
  learnt = [stages.TrainingSet({**taps, name: other}, images) for name in names for other in others]
  learnt += [stages.TrainingSet(taps, {**images, name: altered(images[name])}) for name in images]
  settings = {"seed": 0, "layers": ["z"]}
  base = {
    "store": Keys(), "name": "kd", "settings": settings, "victim": VICTIM,
    "training_set": stages.TrainingSet(taps, images),
  }  # fmt: skip
  changes = {
    "name": ["maha"],
    "settings": [{**settings, "seed": 1}, {**settings, "layers": ["y"]}, {"seed": 0}],
    "victim": VICTIMS,
    "training_set": learnt,
  }
  check(stages.detector, base, changes, ("store",))
  on_another_device_or_version("detector", stages.detector, base, monkeypatch, versions)


def test_options_of_attacks_and_detectors_are_in_keys():
  names = ["mim", "mim(decay=0.5)", "tim", "tim(kernel=7)", "tim(depth=true)", "cw(kappa=0)", "cw"]
  names += ["apgd", "apgd(naive=true)", "pgd", "pgd(restarts=2)", "di(probability=0.1)"]
  config = Config(steps=3).resolved()
  made = [make_attack(MODEL, config, 255, taps_with(), name, (), None) for name in names]
  assert len({digest(attack.describe()) for attack in made}) == len(names)
  # What is as it always was has the key that it always had.
  assert "naive" not in made[names.index("apgd")].describe()
  training_set = stages.TrainingSet({"train": taps_with()}, {})
  keys = []
  for name in ("kd", "kd(form=eq20)", "maha", "maha(mean=single)", "lid(k=5)"):
    key, options = parse(name)
    given = (Keys(), key, {"seed": 0, **options}, VICTIM, training_set)
    keys.append(key_of(stages.detector, *given))
  assert len(set(keys)) == len(keys)


def test_adversarials(monkeypatch, versions, tmp_path):
  base_attack, others = attacks()

  base = {
    "store": Keys(tmp_path), "sources": SOURCES, "victim": VICTIM, "attack": base_attack,
    "described": {"label": "pgd"}, "rows": ROWS, "targets": TARGETS, "batch_size": 4,
  }  # fmt: skip
  changes = {
    "sources": [sources.Sources(DATASET, SPLIT, "other images")],
    "victim": VICTIMS[:1],  # the attack's model is what is run
    "attack": others,
    "described": [{"label": "pgd", "threads": 2}],
    "rows": [ROWS + 1],
    "targets": [1 - TARGETS],
    "batch_size": [8],
  }
  check(adversarials.attack_images, base, changes, ("store", "executor"))
  on_another_device_or_version(
    "adversarials", adversarials.attack_images, base, monkeypatch, versions
  )


def test_batch_size(monkeypatch, versions):
  base_attack, others = attacks()
  base = {
    "store": Keys(), "victim": VICTIM, "attack": base_attack, "shape": (8, 8, 3),
  }  # fmt: skip
  changes = {
    "victim": VICTIMS[:1],
    "attack": others,
    "shape": [(9, 8, 3)],
  }
  check(adversarials.batch_size, base, changes, ("store",))
  on_another_device_or_version("batch_size", adversarials.batch_size, base, monkeypatch, versions)
