"""Splits: drawn ones are kept by what they were drawn from, a user's is obeyed or refused."""

import numpy as np
import pytest

from hfc_tf import data
from hfc_tf.data import splits
from hfc_tf.errors import InputError
from hfc_tf.storage.store import Store
from hfc_tf.study import sources
from hfc_tf.study.config import Config


def _split(store, dataset, **changes):
  return sources.train_test(Config(**changes), dataset, store, sources.content(dataset))


def test_every_data_set_has_a_split_of_its_own_in_one_folder(tmp_path, monkeypatch):
  store = Store(tmp_path)
  drawn = [data.load("chest", None, 16, 0, 120), data.load("fundus", None, 16, 0, 120)]
  drawn.append(data.load("chest", None, 16, 0, 240))
  for dataset in drawn:
    split = _split(store, dataset)
    assert len(split.train) + len(split.test) == len(dataset) and split.seed == 0
    np.testing.assert_array_equal(split.test, splits.train_test(dataset, 0)[1])
  other = _split(store, drawn[0], seed=1)
  assert len(list((tmp_path / "split").iterdir())) == 4
  monkeypatch.setattr(splits, "train_test", None)  # what is there is not drawn again
  np.testing.assert_array_equal(_split(store, drawn[0], seed=1).test, other.test)


def test_only_a_users_split_can_be_refused(tmp_path):
  store, dataset = Store(tmp_path / "kept"), data.load("chest", None, 16, 0, 120)
  path = tmp_path / "split.json"
  path.write_bytes(splits.manifest(dataset, _split(store, dataset, seed=3)))
  given = _split(store, dataset, split=str(path))
  np.testing.assert_array_equal(given.test, _split(store, dataset, seed=3).test)
  with pytest.raises(InputError, match="check --split"):
    _split(store, data.load("fundus", None, 16, 0, 120), split=str(path))
