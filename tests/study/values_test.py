"""Values of flags."""

import math

import pytest

from hfc_tf.errors import InputError
from hfc_tf.study import values


def test_numbers():
  values.real("--x", 1.0, 0, 1)
  values.real("--x", None, 0)
  values.real("--x", 0.0, 0, low_fits=True)
  for wrong in (0.0, 1.1, -1.0, math.nan, math.inf, -math.inf):
    with pytest.raises(InputError, match="--x above 0 and at most 1"):
      values.real("--x", wrong, 0, 1)


def test_counts():
  values.whole("--x", 1)
  values.whole("--x", None)
  for wrong in (0, -1, 10**12):
    with pytest.raises(InputError, match="--x from 1 to"):
      values.whole("--x", wrong)


@pytest.mark.parametrize("right", [("1", "auto"), ("balanced", "1"), ("0.5",), ("1e-3", "2")])
def test_weights(right):
  values.weights("--w", right)


@pytest.mark.parametrize(
  "wrong",
  [
    (),
    ("",),
    ("inf",),
    ("nan",),
    ("0",),
    ("1e400",),
    ("1_0",),
    ("٣",),
    ("1", "1.0"),
    ("auto",) * 2,
  ],
)
def test_weights_that_are_none(wrong):
  with pytest.raises(InputError, match="--w"):
    values.weights("--w", wrong)


@pytest.mark.parametrize("wrong", [(), ("40",), ("a", "b"), ("40", "0"), ("nan", "1"), ("1",) * 3])
def test_windows_that_are_none(wrong):
  values.window("--window", ("40", "80"))
  with pytest.raises(InputError, match="--window=level,width"):
    values.window("--window", wrong)


def test_lists():
  values.several("--x", ("a", "b"), ("a", "b", "c"))
  values.several("--x", None)
  for wrong in ((), ("a", "a"), ("d",)):
    with pytest.raises(InputError, match="--x"):
      values.several("--x", wrong, ("a", "b", "c"))


def test_places(tmp_path):
  file = tmp_path / "file"
  file.write_text("")
  values.file("--f", str(file))
  values.readable("--f", str(tmp_path))
  values.writable("--out", str(tmp_path / "new" / "deeper"))
  with pytest.raises(InputError, match="a file at --f"):
    values.file("--f", str(tmp_path))
  with pytest.raises(InputError, match="none at ''"):
    values.readable("--f", "")
  with pytest.raises(InputError, match="an empty name"):
    values.writable("--out", "")
  with pytest.raises(InputError, match="is a file"):
    values.writable("--out", str(file / "below"))
