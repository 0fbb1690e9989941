"""Hashes: no two sequences of values read alike."""

import dataclasses
import itertools

import numpy as np
import pytest

from hfc_tf.storage.hashing import digest, path_digest


@dataclasses.dataclass
class _Pair:
  a: int
  b: int


@dataclasses.dataclass
class _Couple:
  a: int
  b: int


def test_values_kinds_and_borders_are_told_apart():
  values = [
    (1, 23), (12, 3), (123,), ("1", 23), ("1, 23",), (1.0, 23), (True, 23), (None, 23), ([1, 23],),
    ([1], 23), ([1, [23]],), ({"1": 23},), ({"a": 1, "b": 23},), (_Pair(1, 23),), (_Couple(1, 23),),
    (np.array([1, 23]),), ((), (1, 23)), ("a", "bc"), ("ab", "c"), ("",), (), ([],), ({},), (0.0,),
    (-0.0,), ("int 1 1",), (np.zeros((0, 2)),), (np.zeros((2, 0)),), (np.array("a"),),
  ]  # fmt: skip
  keys = [digest(*value) for value in values]
  for (one, key), (other, other_key) in itertools.combinations(zip(values, keys, strict=True), 2):
    assert key != other_key, (one, other)


def test_digests_tell_values_types_and_shapes_apart():
  one = np.arange(4, dtype=np.int32)
  others = [one.astype(np.int64), one.reshape(2, 2), one[::-1], [0, 1, 2, 3]]
  assert len({digest(value) for value in [one, *others]}) == 5
  assert digest(one) == digest(one.copy())


def test_equal_values_are_the_same():
  assert digest((1, 2.5), "a") == digest([np.int64(1), np.float64(2.5)], "a")
  assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
  assert digest(np.arange(6).reshape(2, 3).T) == digest(
    np.ascontiguousarray(np.arange(6).reshape(2, 3).T)
  )


def test_what_has_no_plain_form_is_refused():
  for value in (object(), np.array([{}], dtype=object), {1, 2}):
    with pytest.raises(TypeError, match="cannot name an artefact"):
      digest(value)


def test_a_folder_is_its_names_and_contents(tmp_path):
  data, out = tmp_path / "data", tmp_path / "data" / "out"
  (data / "a").mkdir(parents=True)
  (data / "a" / "x.png").write_bytes(b"1")
  first = path_digest(data, without=out)
  out.mkdir()
  (out / "results.json").write_text("{}")
  (data / ".hidden").write_text("")
  assert path_digest(data, without=out) == first != path_digest(data)
  seen = {first}
  for change in (
    lambda: (data / "a" / "x.png").write_bytes(b"2"),
    lambda: (data / "a" / "x.png").rename(data / "a" / "y.png"),
    lambda: (data / "new.png").write_bytes(b"3"),
  ):
    change()
    assert path_digest(data, without=out) not in seen
    seen.add(path_digest(data, without=out))
  assert path_digest(data / "new.png") != path_digest(data / "a" / "y.png")
  assert path_digest(tmp_path / "nothing") is None
