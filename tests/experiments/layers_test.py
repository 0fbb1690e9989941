import types

import numpy as np
import pytest

from hfc_tf.errors import InputError
from hfc_tf.evaluation.protocol import AttackResult
from hfc_tf.experiments import layers
from hfc_tf.study.comparison import Comparison
from hfc_tf.taps import Taps
from tests.experiments import shared


def test_experiment():
  config = shared.config(hfc_weights=("1",), detectors=("kd", "maha", "svm"))
  results = shared.run(layers, config)
  rows = results["rows"]
  assert any("SVM has no scores of single layers" in text for text in results["warnings"])
  for name in ("kd", "maha"):
    for hfc in (False, True):
      by_layer = [r for r in rows if (r["detector"], r["hfc"]) == (name, hfc)]
      assert [r["layer"] for r in by_layer] == list(range(1, 10))
      assert len({r["layer_name"] for r in by_layer}) == 9
      assert len({r["auc"] for r in by_layer}) > 1  # each layer stands alone
      assert by_layer[0]["channels"] == 8 and by_layer[-1]["channels"] == 16
  page = shared.page(results)
  assert f"({100 * rows[0]['auc']:.1f})" in page and "Detection by layer, pooled" in page
  assert "Detection by layer" in page and "synthetic" in page


class Reader:
  """A detector whose score of a layer is its first channel, `factor` times."""

  per_layer, reads, threshold_ = True, "features", 0.0

  def __init__(self, factor):
    self.factor = factor

  def layer_scores(self, taps):
    return {name: self.factor * means[:, 0] for name, means in taps.features.items()}


def test_the_best_layer_sees_most_on_either_side():
  rng = np.random.default_rng(0)
  labels = (np.arange(80) % 2).astype(np.int32)

  def taps(predictions, *shifts):
    features = {f"l{k}": rng.normal(shift, 1, (80, 1)) for k, shift in enumerate(shifts)}
    return Taps(features, np.eye(2, dtype=np.float32)[predictions], labels, "l2")

  clean, hidden = taps(labels, 0, 0, 0), taps(1 - labels, 0.3, -2.5, 1)
  result = AttackResult("bim", True, 1.0, "paper", 4, 0.2, 40, hidden, 1 - labels, 1 - labels,
                        np.zeros((80, 1)))  # fmt: skip
  images = types.SimpleNamespace(per_layer=True, reads="images")
  model = types.SimpleNamespace(layers=["l0", "l1", "l2"], widths=dict.fromkeys(clean.features, 1))
  study = types.SimpleNamespace(clean={"adv_test": clean},
                                victim=types.SimpleNamespace(model=model))  # fmt: skip
  detectors = {"kd": Reader(1.0), "squeezing": images}
  compared = Comparison(clean, {"paper": result}, {}, detectors)
  (row,) = layers.best_layers(study, compared)
  assert (row.detector, row.layer, row.layer_name) == ("kd", 2, "l1")
  assert row.auc_within_class < 0.1 and row.auc_within_class_two_sided_low > 0.9
  assert layers.layer_label(row) == "KD on layer 2 (l1)"


def test_detectors_without_layers_are_refused():
  with pytest.raises(InputError, match="single layers; found svm"):
    shared.run(layers, shared.config(hfc_weights=("1",), detectors=("svm",)))
