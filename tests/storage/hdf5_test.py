"""HDF5 files that would hang the library, or a process."""

import zipfile

import h5py
import numpy as np
import pytest

from hfc_tf.errors import InputError
from hfc_tf.models.resnet18 import small_resnet
from hfc_tf.models.weights import set_weights
from hfc_tf.storage.hdf5 import hdf5_damage
from hfc_tf.study.setting import model_side
from hfc_tf.study.victim import users_classifier
from tests.networks import tiny


def endless(path):
  """Makes a B-tree's first node its own right neighbour: HDF5 goes round and round."""
  content = bytearray(path.read_bytes())
  node = content.index(b"TREE")
  content[node + 16 : node + 24] = node.to_bytes(8, "little")
  path.write_bytes(content)
  return str(path)


@pytest.fixture
def small(tmp_path):
  with h5py.File(tmp_path / "small.h5", "w") as file:
    for name in "abc":
      file.create_group(name)["x"] = np.arange(3.0)
  return tmp_path / "small.h5"


def test_whole_files_have_no_damage(small, tmp_path):
  assert hdf5_damage(small) is None
  for name in ("m.keras", "m.h5"):
    tiny().save(tmp_path / name)
    assert hdf5_damage(tmp_path / name) is None


def test_an_endless_file_is_given_up(small):
  assert hdf5_damage(endless(small)) == "HDF5 crashes on it or does not come to its end"


def test_what_is_cut_or_missing_is_told(small):
  content = small.read_bytes()
  small.write_bytes(content[:-100])
  assert "truncated" in hdf5_damage(small)
  small.write_bytes(b"")
  assert hdf5_damage(small)
  small.unlink()
  assert hdf5_damage(small) == "No such file or directory"


def test_what_unpacks_to_many_times_its_size_is_not_read(tmp_path):
  path = tmp_path / "large.h5"
  with h5py.File(path, "w") as file:
    file.create_dataset("x", (2**30,), "f4", chunks=(2**20,), compression="gzip")
  assert "many times its size" in hdf5_damage(path)
  with zipfile.ZipFile(tmp_path / "large.keras", "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("model.weights.h5", bytes(2**28 + 1))
  assert "many times its size" in hdf5_damage(tmp_path / "large.keras")


def test_an_endless_model_and_endless_weights_are_one_line(tmp_path):
  network = tiny()
  network.save(tmp_path / "m.h5")
  network.save_weights(tmp_path / "w.weights.h5")
  model, weights = endless(tmp_path / "m.h5"), endless(tmp_path / "w.weights.h5")
  with pytest.raises(InputError, match=r"m\.h5.*HDF5 crashes on it or does not come to its end"):
    users_classifier(model)
  assert model_side(model) is None
  with pytest.raises(InputError, match=r"w\.weights\.h5.*does not come to its end"):
    set_weights(network, 0, weights)


def test_weights_that_are_not_finite_are_refused(tmp_path):
  network = small_resnet((16, 16, 1), 2, 0, None, (4,))
  start = network.get_weights()
  network.get_layer("stem_bn").beta.assign([0, 1, np.nan, 0])
  network.save_weights(tmp_path / "nan.weights.h5")
  network.set_weights(start)
  with pytest.raises(InputError, match=r"finite weights in .*nan\.weights\.h5.*layer stem_bn"):
    set_weights(network, 0, str(tmp_path / "nan.weights.h5"))
  for value, before in zip(network.get_weights(), start, strict=True):
    np.testing.assert_array_equal(value, before)
