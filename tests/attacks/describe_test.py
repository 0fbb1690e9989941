"""Plain values."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.attacks.describe import brief, plain


@dataclasses.dataclass
class _Pair:
  left: int
  right: object


class _Object:
  def __init__(self, learnt_):
    self.learnt_ = learnt_
    self._cache = object()


def test_what_settings_are_made_of():
  assert plain({1: (2, 0.5, None, "x", True), "n": np.float32(0.25)}) == {
    "1": [2, 0.5, None, "x", True],
    "n": 0.25,
  }
  assert plain(_Pair(1, [_Pair(2, 3)])) == {
    "class": "_Pair",
    "left": 1,
    "right": [{"class": "_Pair", "left": 2, "right": 3}],
  }


def test_arrays_stand_as_a_hash_of_type_shape_and_values():
  array = np.arange(6.0)
  same = [plain(array), plain(array.copy()), plain(tf.constant(array)), plain(array[::-1][::-1])]
  assert all(each == same[0] for each in same) and list(same[0]) == ["sha256"]
  others = [array.reshape(2, 3), array.astype(np.float32), array + 1e-12]
  assert all(plain(other) != same[0] for other in others)
  description = plain(_Object({"a": array}))
  assert description == {"class": "_Object", "learnt_": {"a": same[0]}}
  assert list(brief(description)) == ["sha256"] and brief(same[0]) == same[0] and brief(3) == 3


def test_functions_and_classes_are_refused():
  for value in (len, _Pair, lambda: 1):
    with pytest.raises(TypeError, match="plain values"):
      plain([value])
