from hfc_tf.experiments import gradient_direction as directions
from hfc_tf.results import claims
from tests.experiments import shared


def test_experiment():
  config = shared.config(attacks=("bim", "pgd"))
  found = shared.run(directions, config, (1, 2))
  by_kind = {kind: [r for r in found["rows"] if r["kind"] == kind]
             for kind in ("weights", "pair", "gradient")}  # fmt: skip
  assert [(r["attack"], r["step"]) for r in by_kind["weights"]] == [
    ("bim", 1), ("bim", 2), ("bim", 4), ("pgd", 4),
  ]  # fmt: skip
  assert len(by_kind["pair"]) == 4 * 3 // 2
  assert [r["step"] for r in by_kind["gradient"]] == [0, 1, 2, 4]
  for row in by_kind["gradient"]:
    assert row["gradient_error"] < 1e-14
    assert row["same_sign"] == row["same_sign_elsewhere"] == 1.0
  for row in by_kind["weights"] + by_kind["pair"]:
    assert -1 <= row["cosine"] <= 1
  for row in by_kind["pair"]:
    assert row["cosine_low"] < row["cosine"] < row["cosine_high"]
  first, second = (line["verdict"] for line in claims.verdicts({"gradient_direction": found})
                   if "Theorem" in line["claim"])  # fmt: skip
  assert (first, second) == ("confirmed", "not tested")  # of two classes
  whole, early = by_kind["weights"][2], by_kind["weights"][0]
  assert whole["cosine"] > 0 and early["cosine"] > 0
  text = shared.page(found)
  assert text.count('src="data:image/png') == 2 and "100.00" in text
