"""Keys of what experiments keep: another one for a change of any input, else the same."""

import dataclasses
import types

import numpy as np
import pytest

from hfc_tf.attacks import PGD
from hfc_tf.data.cache import key as cache_key
from hfc_tf.experiments import ood, reproduce, stress_test
from hfc_tf.experiments.natural import Natural
from hfc_tf.storage import keys
from hfc_tf.study.config import Config
from hfc_tf.study.sources import Sources
from tests.study.inputs import (
  DATASET,
  MODEL,
  ROWS,
  SETTINGS,
  SOURCES,
  SPLIT,
  VICTIM,
  VICTIMS,
  Keys,
  altered,
  attacks,
  check,
  on_another_device_or_version,
  taps_with,
)


@pytest.fixture
def versions(monkeypatch):
  """Raises the version of a stage's code."""
  return lambda stage: monkeypatch.setitem(keys.VERSIONS, stage, 99)


def _study(rows=ROWS, sources=SOURCES, victim=VICTIM, seed=0):
  return types.SimpleNamespace(
    rows_of={"adv_test": rows}, sources=sources, victim=victim, store=Keys(),
    timed=lambda _, make: make(), config=Config(seed=seed), clean={"adv_test": taps_with()},
  )  # fmt: skip


def test_stress_test(monkeypatch, versions):
  base_attack, others = attacks()
  function = stress_test._mean_after
  some = np.arange(3)
  base = {"study": _study(), "attack": base_attack, "layer": "relu", "some": some}
  changes = {
    "study": [
      _study(rows=altered(ROWS)),
      _study(sources=Sources(DATASET, SPLIT, "other images")),
      _study(victim=VICTIMS[0]),
    ],
    "attack": [*others, PGD(MODEL, **{**SETTINGS, "batch_size": 8})],
    "layer": ["first"],
    "some": [some[:2]],
  }
  check(function, base, changes)
  on_another_device_or_version("stress", function, base, monkeypatch, versions)


def test_lesions(monkeypatch, versions):
  base = {"study": _study(), "size": "small", "count": 2, "draw": 0}
  changes = {
    "study": [
      _study(rows=altered(ROWS)),
      _study(sources=Sources(DATASET, SPLIT, "other images")),
      *(_study(victim=victim) for victim in VICTIMS),
      _study(seed=1),
    ],
    "size": ["large"],
    "count": [3],
    "draw": [1],
  }
  check(ood._taps, base, changes)
  on_another_device_or_version("lesions", ood._taps, base, monkeypatch, versions)


def test_decoded_images(tmp_path, versions):
  paths = [tmp_path / "a.png", tmp_path / "b.png"]
  for path in paths:
    path.write_bytes(path.name.encode())
  all_keys = [
    cache_key(paths, [64, None]),
    cache_key(paths, [32, None]),
    cache_key(paths, [64, 1]),
    cache_key(paths[::-1], [64, None]),
    cache_key(paths[:1], [64, None]),
  ]
  paths[1].write_bytes(b"other")
  all_keys.append(cache_key(paths, [64, None]))
  versions("decoded")
  all_keys.append(cache_key(paths, [64, None]))
  assert len(set(all_keys)) == len(all_keys)


CHANGED = {
  "setting": "papers", "fixed": "step",
  "dataset": "fundus", "data_dir": "data", "split": "split.json", "image_size": 32, "depth": 8,
  "window": ("40", "80"), "num_images": 100, "model": "vgg16", "model_path": "mine.keras",
  "classes": ("b", "a"), "preprocessing": "tf", "precision": "bfloat16", "weights": "w.h5",
  "epochs": 3,
  "crop": ("8", "16", "16"), "stored_bits": 12, "exclude": ("*_old.png",), "labels": "labels.csv",
  "groups": "groups.csv", "subsets": "pool",
  "learning_rate": 0.5, "model_seed": 4, "attacks": ("pgd",), "hfc": True, "hfc_weights": ("2",),
  "aim": "typical", "eps_256": 2.0, "grid": "16", "free_channels": True, "step_size_256": 0.5,
  "steps": 7, "components": 3,
  "covariance": "full", "detectors": ("kd",), "retrain": "hfc", "hfc_squeezing": True,
  "target": "next", "max_adv_train": 50,
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

  all_keys = [key(), *(key(**{name: value}) for name, value in CHANGED.items())]
  folder, file = tmp_path / "data", tmp_path / "mine.keras"
  folder.mkdir()
  for content in (b"1", b"2"):
    (folder / "x.png").write_bytes(content)
    file.write_bytes(content)
    all_keys.append(key(data_dir=str(folder)))
    all_keys.append(key(natural=Natural(str(folder))))
    files = ("split", "model_path", "weights", "labels", "groups")
    all_keys += [key(**{name: str(file)}) for name in files]
  assert len(set(all_keys)) == len(all_keys)
  assert key() == all_keys[0]
  versions("taps")
  assert key() not in all_keys
