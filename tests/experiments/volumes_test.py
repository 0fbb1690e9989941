import dataclasses
import functools
import json
import types

import numpy as np
import pytest

from hfc_tf import data, models
from hfc_tf.data.dataset import Dataset
from hfc_tf.errors import InputError
from hfc_tf.experiments import volumes
from hfc_tf.study.config import Config
from tests.experiments import shared


def _volumes(shape=(5, 4, 6, 1), count=4):
  pixels = np.random.default_rng(0).integers(0, 65536, (count, *shape)).astype(np.uint16)
  labels = np.arange(count, dtype=np.int32) % 2
  ids = [str(i) for i in range(count)]
  return Dataset("cubes", "synthetic", pixels, labels, ids, None, ("a", "b"))


def test_slices_and_halved_volumes():
  whole = _volumes()
  flat, half = volumes.slices(whole), volumes.halved(whole)
  assert np.array_equal(flat.pixels, whole.pixels[:, 2])
  assert half.pixels.shape == (4, 2, 2, 3, 1) and half.pixels.dtype == np.uint16
  block = whole.pixels[1, 2:4, 0:2, 4:6, 0].astype(float)
  assert half.pixels[1, 1, 0, 2, 0] == round(block.mean())
  for derived in (flat, half):
    assert np.array_equal(derived.labels, whole.labels) and derived.ids == whole.ids


def test_experiment(thin_models, monkeypatch, tmp_path):
  thin = functools.partial(models.MODELS["resnet18_3d"], widths=(8, 16))
  monkeypatch.setitem(models.MODELS, "resnet18_3d", thin)  # which fits no slices
  rng = np.random.default_rng(0)
  labels = np.arange(160) % 2
  cubes = rng.integers(0, 120, (160, 8, 16, 16)) + 80 * labels[:, None, None, None]
  np.savez(tmp_path / "cubes.npz", images=cubes.astype(np.uint8), labels=labels)
  config = shared.config(
    dataset="npz", data_dir=str(tmp_path / "cubes.npz"), image_size=16, model="resnet18_3d",
    model_path=None, epochs=4, num_images=None, hfc_weights=("1",), detectors=("kd",), eps_256=24.0,
    out=str(tmp_path / "out"),
  )  # fmt: skip
  rng = np.random.default_rng(1)
  ids = rng.permutation(data.load("npz", config.data_dir, 16).ids)
  given = {"train": ids[40:].tolist(), "test": ids[:40].tolist()}
  (tmp_path / "split.json").write_text(json.dumps(given))
  np.savez(tmp_path / "flat.npz", images=cubes[:, 4].astype(np.uint8), labels=labels)
  config = dataclasses.replace(config, split=str(tmp_path / "split.json"))
  results = shared.run(
    volumes, config, [12.0, 24.0], [f"npz:8={tmp_path / 'flat.npz'}"], "small_resnet"
  )
  points = {(p["form"], p["eps_256"]): p for p in results["success"]}
  forms = ("volumes", "slices", "halved", "npz")
  assert set(points) == {(f, e) for f in forms for e in (12.0, 24.0)}
  assert points["npz", 12.0]["voxels"] == 64 and points["npz", 12.0]["model"] == "small_resnet"
  for form in ("slices", "halved"):  # obey --split as the volumes do
    made = json.loads((tmp_path / "out" / form / "split.json").read_text())
    assert sorted(made["train"]) == sorted(given["train"])
    assert sorted(made["test"]) == sorted(given["test"])
  sizes = {form: points[form, 24.0]["voxels"] for form in ("volumes", "slices", "halved")}
  assert sizes["volumes"] == 8 * sizes["halved"]
  assert {row["hfc"] for row in results["rows"]} == {False, True}
  page = shared.page(results)
  assert "Success over the budget" in page and "TMI, Table I" in page and "TIM" in page
  assert "Slices are attacked on small ResNet, volumes on ResNet-18 (3D)" in page


def test_networks_of_slices_and_budgets_of_the_papers(monkeypatch):
  study = types.SimpleNamespace(
    config=Config(dataset="brain", setting="papers", model="resnet18_3d", eps_256=1.0),
    sources=types.SimpleNamespace(dataset=_volumes(), split="the split"), warnings=[],
    beside=lambda name, images=None, **more: types.SimpleNamespace(
      name=name, config=Config(model=more["model"]), **{k: v for k, v in more.items()
                                                         if k != "model"},
    ),
  )  # fmt: skip
  forms = volumes._forms(study, None)
  assert [forms[form].config.model for form in ("slices", "halved")] == ["resnet18", "resnet18_3d"]
  assert {forms[form].rows for form in ("slices", "halved")} == {"the split"}
  assert volumes._difference(forms) == []
  # Halved volumes learn on crops of as many voxels, where they have them.
  study.config = dataclasses.replace(study.config, crop=("5", "1", "6"))
  forms = volumes._forms(study, None)
  assert forms["slices"].crop == ("1", "6") and forms["halved"].crop == ("2", "1", "3")
  study.levels, study.warn = None, lambda *texts: study.warnings.extend(texts)
  assert volumes._budgets(study, ()) == pytest.approx(volumes.PAPERS_BUDGETS)
  study.levels = 255  # files of 8 bits have none of them
  assert volumes._budgets(study, ()) == [1.0] and len(study.warnings) == 2


def test_slices_network_is_that_of_volumes_with_flat_kernels():
  whole = models.MODELS["resnet18_3d"]((8, 16, 16, 1), 3, widths=(4, 8))
  flat = models.MODELS["resnet18"]((16, 16, 1), 3, widths=(4, 8))
  assert [layer.name for layer in flat.layers] == [layer.name for layer in whole.layers]
  kernels = [
    [w.shape for w in net.get_layer("stage2_block1_1_conv").weights] for net in (flat, whole)
  ]
  assert kernels == [[(3, 3, 4, 8)], [(3, 3, 3, 4, 8)]]
  with pytest.raises(InputError, match=r"images of \(H, W, C\) for resnet18"):
    models.MODELS["resnet18"]((8, 16, 16, 1), 3)


def test_images_are_refused():
  config = dataclasses.replace(shared.config(), hfc_weights=("1",))
  with pytest.raises(InputError, match=r"volumes \[N, D, H, W, C\]"):
    shared.run(volumes, config)
