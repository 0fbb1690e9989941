import pytest

from hfc_tf.errors import InputError
from hfc_tf.experiments import layers
from tests.experiments import shared


def test_experiment():
  config = shared.config(hfc_weights=("1",), detectors=("kd", "maha", "svm"))
  found = shared.run(layers, config)
  rows = found["rows"]
  assert any("SVM has no scores of single layers" in text for text in found["warnings"])
  for name in ("kd", "maha"):
    for hfc in (False, True):
      own = [r for r in rows if (r["detector"], r["hfc"]) == (name, hfc)]
      assert [r["layer"] for r in own] == list(range(1, 10))
      assert len({r["layer_name"] for r in own}) == 9
      assert len({r["auc"] for r in own}) > 1  # each layer stands alone
      assert own[0]["channels"] == 8 and own[-1]["channels"] == 16
  page = shared.page(found)
  assert "Detection by layer" in page and "synthetic" in page


def test_detectors_without_layers_are_refused():
  with pytest.raises(InputError, match="single layers; found svm"):
    shared.run(layers, shared.config(hfc_weights=("1",), detectors=("svm",)))
