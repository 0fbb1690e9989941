"""Without the other libraries, one line says which extra brings them."""

import sys

import pytest

import hfc_tf
from hfc_tf.errors import InputError


@pytest.mark.parametrize(
  ("package", "name"), [("art", "ArtAttack"), ("foolbox", "FoolboxAttack")]
)
def test_a_missing_library_is_one_line(monkeypatch, package, name):
  monkeypatch.setitem(sys.modules, package, None)
  for module in (package, "art_classifier"):
    monkeypatch.delitem(sys.modules, f"hfc_tf.adapters.{module}", raising=False)
  with pytest.raises(InputError, match=r"pip install 'hfc_tf\[adapters\]'"):
    getattr(hfc_tf.adapters, name)
  assert name in dir(hfc_tf.adapters)
