import pytest

from hfc_tf.errors import InputError
from hfc_tf.experiments import ood
from tests.experiments import shared


def test_published_table():
  assert ood.published("chest", "small", 2) == pytest.approx({"auc": 0.944, "false_rate": 0.012})
  assert ood.published("fundus", "medium", 1)["auc"] == pytest.approx(0.849)
  assert ood.published("chest", "tiny", 2) == {}


def test_experiment():
  found = shared.run(ood, shared.config(), [("tiny", 1), ("large", 3)], draws=2)
  tiny, large = found["rows"]
  assert (tiny["size"], tiny["count"], tiny["auc_paper"]) == ("tiny", 1, None)
  assert large["auc_paper"] == pytest.approx(0.997)
  for row in (tiny, large):
    assert row["n_lesions"] == round((1 - row["false_rate"]) * 2 * row["n_clean"])
    assert row["auc_low"] <= row["auc"] <= row["auc_high"]
  assert large["auc"] > tiny["auc"]
  again = shared.run(ood, shared.config(), [("tiny", 1), ("large", 3)], draws=2)
  assert again["rows"] == found["rows"]
  assert shared.page(found).count('src="data:image/png') == 2


def test_no_draws():
  with pytest.raises(InputError, match="at least one draw"):
    shared.run(ood, shared.config(), draws=0)
