import os

import numpy as np
import pytest

from hfc_tf import detectors
from hfc_tf.detectors.multivariate_gaussian import MultivariateGaussian
from hfc_tf.errors import InputError


def test_a_full_disk_leaves_the_earlier_file(world, tmp_path, monkeypatch):
  detector = MultivariateGaussian().fit(world.train, **world.adv_train)
  detector.save(tmp_path / "mgm.npz")
  before = (tmp_path / "mgm.npz").read_bytes()

  def full(_):
    raise OSError(28, "No space left on device")

  with monkeypatch.context() as broken:
    broken.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
      detector.save(tmp_path / "mgm.npz")
  assert (tmp_path / "mgm.npz").read_bytes() == before
  assert [path.name for path in tmp_path.iterdir()] == ["mgm.npz"]


def test_keeps_arrays_dictionaries_and_settings(world, tmp_path):
  detector = detectors.KernelDensity(metrics=["standardised"], layers=["last", "early"], seed=3)
  detector.fit(world.train, **world.adv_train)
  detector.save(tmp_path / "kd.npz")
  with np.load(tmp_path / "kd.npz", allow_pickle=False) as file:
    assert {"labels_", "reference_/early", "reference_/last", "config"} <= set(file.files)
  loaded = detectors.load(tmp_path / "kd.npz")
  assert loaded.settings() == {
    "metrics": ["standardised"],
    "bandwidths": list(detector.bandwidths),
    "layers": ["last", "early"],
    "seed": 3,
    "form": "chosen",
  }
  assert loaded.signs_ == detector.signs_ and loaded.layers_ == ["early", "last"]
