"""The checkpoint file: whole or refused."""

import os

import numpy as np
import pytest

from hfc_tf.models import checkpoint

ARRAYS = {"model": [np.arange(6.0).reshape(2, 3), np.array(7, np.uint32)], "best": []}


def test_round_trip(tmp_path):
  path = tmp_path / "new" / "a.npz"
  checkpoint.save(path, {"epoch": 3, "loss": 0.1}, ARRAYS)
  state, arrays = checkpoint.load(path)
  assert state == {"epoch": 3, "loss": 0.1}
  assert [a.dtype for a in arrays["model"]] == [np.float64, np.uint32]
  np.testing.assert_array_equal(arrays["model"][0], ARRAYS["model"][0])
  assert list(path.parent.iterdir()) == [path]


def test_order_of_more_than_ten_arrays(tmp_path):
  checkpoint.save(tmp_path / "a.npz", {}, {"model": [np.array(i) for i in range(25)]})
  assert [int(a) for a in checkpoint.load(tmp_path / "a.npz")[1]["model"]] == list(range(25))


def test_a_kill_while_writing_leaves_the_old_one(tmp_path, monkeypatch):
  path = tmp_path / "a.npz"
  checkpoint.save(path, {"epoch": 1}, ARRAYS)

  def killed(*args):
    raise KeyboardInterrupt

  monkeypatch.setattr(os, "fsync", killed)
  with pytest.raises(KeyboardInterrupt):
    checkpoint.save(path, {"epoch": 2}, ARRAYS)
  monkeypatch.undo()
  assert checkpoint.load(path)[0] == {"epoch": 1}
  checkpoint.save(path, {"epoch": 2}, ARRAYS)
  assert checkpoint.load(path)[0] == {"epoch": 2}


def test_any_flipped_byte_is_noticed_or_harmless(tmp_path):
  path = tmp_path / "a.npz"
  checkpoint.save(path, {"epoch": 1}, {"model": [np.arange(30.0)]})
  whole = path.read_bytes()
  noticed = 0
  for position in range(0, len(whole), 3):
    path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x41]) + whole[position + 1 :])
    try:
      state, arrays = checkpoint.load(path)
    except ValueError:
      noticed += 1
    else:
      np.testing.assert_array_equal(arrays["model"][0], np.arange(30.0))
      assert state == {"epoch": 1}
  assert noticed > len(whole) / 6


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04"])
def test_other_files_are_refused(tmp_path, content):
  (tmp_path / "a.npz").write_bytes(content)
  with pytest.raises(ValueError, match=r"Error|BadZipFile"):
    checkpoint.load(tmp_path / "a.npz")


def test_absent_file(tmp_path):
  with pytest.raises(FileNotFoundError):
    checkpoint.load(tmp_path / "a.npz")
