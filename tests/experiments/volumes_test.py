import dataclasses
import functools

import numpy as np
import pytest

from hfc_tf import models
from hfc_tf.data.dataset import Dataset
from hfc_tf.errors import InputError
from hfc_tf.experiments import volumes
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
  found = shared.run(volumes, config, [12.0, 24.0])
  points = {(p["form"], p["eps_256"]): p for p in found["success"]}
  assert set(points) == {(f, e) for f in ("volumes", "slices", "halved") for e in (12.0, 24.0)}
  sizes = {form: points[form, 24.0]["voxels"] for form in ("volumes", "slices", "halved")}
  assert sizes["volumes"] == 8 * sizes["halved"]
  assert {row["hfc"] for row in found["rows"]} == {False, True}
  assert "Success over the budget" in shared.page(found)


def test_images_are_refused():
  config = dataclasses.replace(shared.config(), hfc_weights=("1",))
  with pytest.raises(InputError, match=r"volumes \[N, D, H, W, C\]"):
    shared.run(volumes, config)
