"""Artefacts: made once, whole or not at all, damage noticed."""

import os
import pathlib

import numpy as np
import pytest

from hfc_tf.errors import InputError
from hfc_tf.study.store import Store, digest, load_arrays, load_taps, save_arrays, save_taps
from hfc_tf.taps import Taps


def _make(calls, value=3.0):
  def compute():
    calls.append(value)
    return {"a/b": np.arange(value), "text": np.array("ünïcode")}

  return compute


def test_an_artefact_is_made_once(tmp_path):
  calls = []
  for _ in range(2):
    arrays, _ = Store(tmp_path).arrays("stage", 1, {"x": 1}, _make(calls))
    np.testing.assert_array_equal(arrays["a/b"], [0, 1, 2])
    assert str(arrays["text"]) == "ünïcode"
  assert calls == [3.0]


def test_other_inputs_stages_and_versions_are_other_artefacts(tmp_path):
  store, calls = Store(tmp_path), []
  keys = {
    store.arrays(stage, version, inputs, _make(calls))[1]
    for stage, version, inputs in [
      ("a", 1, {"x": 1}),
      ("b", 1, {"x": 1}),
      ("a", 2, {"x": 1}),
      ("a", 1, {"x": np.array([1, 2])}),
    ]
  }
  assert len(keys) == len(calls) == 4


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "manifest"])
def test_damage_is_noticed_named_and_mended(tmp_path, caplog, damage):
  store, calls = Store(tmp_path), []
  artefact = store.artefact("s", 1, {}, lambda folder: (folder / "f").write_bytes(b"whole"))
  place = artefact.path / "f"
  if damage == "flip":
    place.write_bytes(b"whole"[::-1])
  elif damage == "truncate":
    place.write_bytes(b"wh")
  elif damage == "remove":
    place.unlink()
  else:
    (artefact.path / "manifest.json").write_text("{")
  again = store.artefact(
    "s", 1, {}, lambda folder: calls.append(1) or (folder / "f").write_bytes(b"whole")
  )
  assert calls == [1] and (again.path / "f").read_bytes() == b"whole"
  assert str(artefact.path) in caplog.text and "made again" in caplog.text


def test_a_failure_leaves_nothing_behind(tmp_path):
  store = Store(tmp_path)

  def fail(folder: pathlib.Path) -> None:
    (folder / "half").write_text("half")
    raise RuntimeError("killed")

  with pytest.raises(RuntimeError):
    store.artefact("s", 1, {}, fail)
  assert not [item for item in tmp_path.rglob("*") if item.is_file()]


def test_what_a_kill_left_is_swept_away(tmp_path):
  left = tmp_path / "s" / ".unfinished-abc-1"
  left.mkdir(parents=True)
  (left / "half").write_text("half")
  Store(tmp_path)
  assert not left.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_one_line(tmp_path):
  tmp_path.chmod(0o500)
  with pytest.raises(InputError, match="a folder that can be written"):
    Store(tmp_path / "out")


def test_a_file_in_the_place_of_the_folder_is_one_line(tmp_path):
  (tmp_path / "out").write_text("")
  with pytest.raises(InputError, match="a folder that can be written"):
    Store(tmp_path / "out")


def test_objects_are_never_unpickled(tmp_path):
  np.savez(tmp_path / "bad.npz", names=np.array('["x"]'), a0=np.array([{}], dtype=object))
  with pytest.raises(ValueError, match="allow_pickle"):
    load_arrays(tmp_path / "bad.npz")


def test_digests_tell_values_types_and_shapes_apart():
  one = np.arange(4, dtype=np.int32)
  others = [one.astype(np.int64), one.reshape(2, 2), one[::-1], [0, 1, 2, 3]]
  assert len({digest(value) for value in [one, *others]}) == 5
  assert digest(one) == digest(one.copy())


@pytest.mark.parametrize("grouped", [True, False])
def test_taps_survive_the_disk(tmp_path, grouped):
  taps = Taps(
    features={"a/b": np.ones((2, 3), np.float32), "z": np.zeros((2, 1), np.float32)},
    logits=np.array([[1, 2], [3, 4]], np.float32),
    labels=np.array([0, 1], np.int32),
    penultimate="z",
    head=(np.ones((1, 2), np.float32), np.zeros(2, np.float32)) if grouped else None,
    groups=np.array([7, 8]) if grouped else None,
  )
  save_taps(tmp_path / "taps.npz", taps)
  again = load_taps(tmp_path / "taps.npz")
  assert list(again.features) == ["a/b", "z"] and again.penultimate == "z"
  np.testing.assert_array_equal(again.features["a/b"], taps.features["a/b"])
  assert (again.head is None, again.groups is None) == (not grouped, not grouped)


def test_save_arrays_keeps_the_order_of_names(tmp_path):
  save_arrays(tmp_path / "x.npz", {"b": 1, "a": 2})
  assert list(load_arrays(tmp_path / "x.npz")) == ["b", "a"]
