import pytest

from hfc_tf.errors import InputError
from hfc_tf.experiments import tsne
from tests.experiments import shared


def test_experiment():
  config = shared.config(hfc=True, hfc_weights=("1",))
  found = shared.run(tsne, config, ["1", "9"])
  groups = ("clean_original", "attack", "hfc")
  assert [(r["layer_number"], r["group"]) for r in found["rows"]] == [
    (number, group) for number in (1, 9) for group in groups
  ]
  for row in found["rows"]:
    assert row["neighbours"] is None or 0 <= row["neighbours"] <= 1
    assert row["hfc_weight"] == (1.0 if row["group"] == "hfc" else 0.0)
  text = shared.page(found)
  assert "synthetic" in text and text.count('src="data:image/png') == 2
  assert "layer 9 of 9" in text


def test_unknown_layer():
  with pytest.raises(InputError, match="a layer from 1 to 9"):
    shared.run(tsne, shared.config(), ["10"])
