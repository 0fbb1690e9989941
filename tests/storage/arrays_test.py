"""Named arrays as files."""

import numpy as np
import pytest

from hfc_tf.densities import HierarchicalDensity
from hfc_tf.errors import InputError
from hfc_tf.storage.arrays import DamagedFile, load_arrays, save_arrays


def test_objects_are_never_unpickled(tmp_path):
  np.savez(tmp_path / "bad.npz", x=np.array([{}], dtype=object))
  with pytest.raises(DamagedFile, match=r"bad\.npz.*allow_pickle"):
    load_arrays(tmp_path / "bad.npz")


def test_save_arrays_keeps_names_types_and_order(tmp_path):
  save_arrays(tmp_path / "x.npz", {"b/ü": np.float16(1), "a": np.array("text")})
  loaded = load_arrays(tmp_path / "x.npz")
  assert list(loaded) == ["b/ü", "a"] and loaded["b/ü"].dtype == np.float16
  assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04", b"text"])
def test_a_users_file_that_cannot_be_read_is_one_line(tmp_path, content):
  path = tmp_path / "density.npz"
  if content is not None:
    path.write_bytes(content)
  with pytest.raises(InputError, match=r"expected a density .*density\.npz.*save the fitted"):
    HierarchicalDensity.load(path)


def test_a_file_of_something_else_is_one_line(tmp_path):
  save_arrays(tmp_path / "x.npz", {"x": 1})
  with pytest.raises(InputError, match=r"expected a density .*x\.npz: ValueError: no checksum"):
    HierarchicalDensity.load(tmp_path / "x.npz")


def test_a_checksum_tells_what_a_zip_does_not(tmp_path):
  save_arrays(tmp_path / "x.npz", {"a": np.arange(6.0), "b": "text"}, checksum=True)
  arrays = load_arrays(tmp_path / "x.npz", checksum=True)
  assert sorted(arrays) == ["a", "b"] and str(arrays["b"]) == "text"
  whole = load_arrays(tmp_path / "x.npz")
  for change in ({"b": None}, {"a": arrays["a"][:, None]}, {"c": 1}):
    changed = {key: value for key, value in (whole | change).items() if value is not None}
    np.savez(tmp_path / "y.npz", **changed)  # with right checksums of the zip
    with pytest.raises(DamagedFile, match=r"y\.npz.*checksum"):
      load_arrays(tmp_path / "y.npz", checksum=True)


def test_compressed_arrays_are_refused_unread(tmp_path):
  np.savez_compressed(tmp_path / "x.npz", x=np.zeros(10**6))
  with pytest.raises(DamagedFile, match=r"x\.npz.*compressed"):
    load_arrays(tmp_path / "x.npz")
