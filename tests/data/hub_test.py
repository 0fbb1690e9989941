"""Data sets of other libraries, which stand-ins replace here."""

import sys
import types

import numpy as np
import pytest

from hfc_tf import data
from hfc_tf.errors import InputError

IMAGES = np.random.default_rng(0).integers(0, 256, (30, 28, 28), dtype=np.uint8)
LABELS = np.arange(30) % 2


def test_medmnist(tmp_path, monkeypatch):
  class Pneumonia:
    available_sizes = (28, 64, 128, 224)

    def __init__(self, split, download, root, size):
      suffix = "" if size == 28 else f"_{size}"
      names = {f"{each}_{noun}": values[rows] for each, rows in (("train", slice(20)),
               ("val", slice(20, 25)), ("test", slice(25, 30)))
               for noun, values in (("images", IMAGES), ("labels", LABELS[:, None]))}  # fmt: skip
      np.savez(f"{root}/pneumoniamnist{suffix}.npz", **names)

  library = types.ModuleType("medmnist")
  library.INFO = {"pneumoniamnist": {"python_class": "PneumoniaMNIST"}}
  library.PneumoniaMNIST = Pneumonia
  monkeypatch.setitem(sys.modules, "medmnist", library)
  loaded = data.load("medmnist/pneumoniamnist", image_size=28, cache_dir=tmp_path)
  np.testing.assert_array_equal(np.rint(255 * loaded.images(slice(None))[..., 0]), IMAGES)
  np.testing.assert_array_equal(loaded.labels, LABELS)
  data.load("medmnist/pneumoniamnist", image_size=100, cache_dir=tmp_path)
  assert (tmp_path / "medmnist" / "pneumoniamnist_128.npz").is_file()
  with pytest.raises(InputError, match="one of pneumoniamnist"):
    data.load("medmnist/others", cache_dir=tmp_path)


def test_tfds(tmp_path, monkeypatch):
  calls = []

  def load(name, **settings):
    calls.append(name)
    if name == "absent":
      raise RuntimeError("not found\nat all")
    return IMAGES[..., None], LABELS

  library = types.ModuleType("tensorflow_datasets")
  library.load = load
  monkeypatch.setitem(sys.modules, "tensorflow_datasets", library)
  for _ in range(2):
    loaded = data.load("tfds/patch", image_size=28, cache_dir=tmp_path)
    np.testing.assert_array_equal(np.rint(255 * loaded.images(slice(None))[..., 0]), IMAGES)
  assert calls == ["patch"]
  with pytest.raises(InputError, match="tfds to fetch absent; found not found;"):
    data.load("tfds/absent", cache_dir=tmp_path)


@pytest.mark.parametrize(
  ("name", "package", "extra"),
  [("medmnist/a", "medmnist", "data"), ("tfds/a", "tensorflow_datasets", "tfds")],
)
def test_a_missing_library_is_one_line(tmp_path, monkeypatch, name, package, extra):
  monkeypatch.setitem(sys.modules, package, None)
  with pytest.raises(InputError, match=rf"pip install 'hfc_tf\[{extra}\]'"):
    data.load(name, cache_dir=tmp_path)


@pytest.mark.parametrize("name", ["other/a", "tfds/", "tfds/../a", "medmnist/a/b"])
def test_other_names_are_refused(tmp_path, name):
  with pytest.raises(InputError):
    data.load(name, cache_dir=tmp_path)
