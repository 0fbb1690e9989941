import pytest

from hfc_tf.errors import InputError
from hfc_tf.experiments import ood
from hfc_tf.results import claims
from tests.experiments import shared


def test_published_table():
  assert ood.published("chest", "small", 2) == pytest.approx({"auc": 0.944, "false_rate": 0.012})
  assert ood.published("fundus", "medium", 1)["auc"] == pytest.approx(0.849)
  assert ood.published("chest", "tiny", 2) == {}


def test_experiment():
  results = shared.run(ood, shared.config(), [("tiny", 1), ("large", 3)], draws=2)
  tiny, large = results["rows"]
  assert (tiny["size"], tiny["count"], tiny["auc_paper"]) == ("tiny", 1, None)
  assert large["auc_paper"] == pytest.approx(0.997)
  for row in (tiny, large):
    assert row["n_lesions"] == round((1 - row["false_rate"]) * 2 * row["n_clean"])
    assert row["auc_low"] <= row["auc"] <= row["auc_high"]
  assert large["auc"] > tiny["auc"]
  layers = {row["layer"] for row in results["by_layer"]}
  assert len(layers) > 2 and len(results["by_layer"]) == 2 * len(layers)
  last = [row for row in results["by_layer"] if row["layer"] == tiny["layer"]]
  assert [row["auc"] for row in last] == [tiny["auc"], large["auc"]]
  assert results["steps"] == []  # one size and number each time: nothing to compare
  assert any(line["numbers"] for line in claims.verdicts({"ood": results}))
  again = shared.run(ood, shared.config(), [("tiny", 1), ("large", 3)], draws=2)
  assert again["rows"] == results["rows"]
  assert shared.page(results).count('src="data:image/png') == 2


def test_more_and_larger_lesions_are_compared_patient_by_patient():
  results = shared.run(ood, shared.config(), [("tiny", 1), ("tiny", 4), ("large", 4)], draws=2)
  steps = {(row["first"], row["second"]): row for row in results["steps"]}
  assert list(steps) == [("1 tiny", "4 tiny"), ("4 tiny", "4 large")]
  for row in steps.values():
    assert 0 <= row["higher"] <= 1 and row["higher_low"] <= row["higher"] <= row["higher_high"]
  assert steps["4 tiny", "4 large"]["higher_low"] > 0.5


def test_no_draws():
  with pytest.raises(InputError, match="at least one draw"):
    shared.run(ood, shared.config(), draws=0)
