import sys
import types

import numpy as np
import pytest

from hfc_tf.data import download
from hfc_tf.errors import InputError


def _stand_in(monkeypatch, name, **functions):
  module = types.ModuleType(name)
  vars(module).update(functions)
  monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize(
  ("name", "function", "handle"),
  [
    ("chest", "dataset_download", "paultimothymooney/chest-xray-pneumonia"),
    ("fundus", "competition_download", "aptos2019-blindness-detection"),
  ],
)
def test_kaggle(tmp_path, monkeypatch, name, function, handle):
  calls = []

  def fetch(*args, output_dir):
    calls.append(args)
    return output_dir

  _stand_in(monkeypatch, "kagglehub", **{function: fetch})
  assert download.download(name, tmp_path) == tmp_path / name
  assert calls == [(handle,)] and (tmp_path / name).is_dir()


@pytest.mark.parametrize(("size", "suffix"), [(28, ""), (224, "_224")])
def test_medmnist(tmp_path, monkeypatch, size, suffix):
  def fetch(split, download, root, size):
    assert split == "train" and download
    np.savez(f"{root}/retinamnist{suffix}.npz", size=size)

  _stand_in(monkeypatch, "medmnist", RetinaMNIST=fetch)
  path = download.download("retinamnist", tmp_path, size)
  assert path == tmp_path / "retinamnist" / f"retinamnist{suffix}.npz" and path.is_file()


def test_missing_extra(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, "kagglehub", None)
  with pytest.raises(InputError, match=r"the package kagglehub; .*pip install 'hfc_tf\[data\]'"):
    download.download("chest", tmp_path)


def test_no_network_is_one_line(tmp_path, monkeypatch):
  def fetch(handle, output_dir):
    raise ConnectionError("Max retries exceeded\nwith url: https://www.kaggle.com")

  _stand_in(monkeypatch, "kagglehub", dataset_download=fetch)
  with pytest.raises(InputError, match="found Max retries exceeded; check the network"):
    download.download("chest", tmp_path)
  assert not list(tmp_path.iterdir())


def test_bad_arguments(tmp_path):
  with pytest.raises(InputError, match="out of chest, fundus"):
    download.download("brain", tmp_path)
  with pytest.raises(InputError, match="size out of 28, 64"):
    download.download("retinamnist", tmp_path, 32)
  (tmp_path / "file").touch()
  with pytest.raises(InputError, match="writable folder"):
    download.download("chest", tmp_path / "file")
