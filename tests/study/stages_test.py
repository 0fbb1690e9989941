"""Taps as files."""

import numpy as np
import pytest

from hfc_tf.study.stages import load_taps, save_taps
from hfc_tf.taps import Taps


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
