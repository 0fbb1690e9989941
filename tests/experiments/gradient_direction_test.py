import numpy as np

from hfc_tf.experiments import gradient_direction as directions
from hfc_tf.experiments.natural import Natural
from hfc_tf.results import claims
from tests.experiments import shared


def test_experiment():
  config = shared.config(attacks=("bim", "pgd"))
  results = shared.run(directions, config, (1, 2))
  by_kind = {kind: [r for r in results["rows"] if r["kind"] == kind]
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
  first, second = (line["verdict"] for line in claims.verdicts({"gradient_direction": results})
                   if "Theorem" in line["claim"])  # fmt: skip
  assert (first, second) == ("confirmed", "not tested")  # of two classes
  whole, early = by_kind["weights"][2], by_kind["weights"][0]
  assert whole["cosine"] > 0 and early["cosine"] > 0
  text = shared.page(results)
  assert text.count('src="data:image/png') == 2 and "100.00" in text
  assert "Theorem II, which speaks of more than two classes, was not tested" in text


def test_theorem_two_on_natural_images_of_three_classes(thin_models, tmp_path):
  labels = np.arange(240) % 3
  rng = np.random.default_rng(0)
  images = rng.integers(0, 90, (240, 16, 16, 3)) + 50 * labels[:, None, None, None]
  np.savez(tmp_path / "three.npz", images=images.astype(np.uint8), labels=labels)
  natural = Natural(str(tmp_path / "three.npz"), "npz", image_size=16, epochs=4)
  results = shared.run(directions, shared.config(attacks=("bim",)), (1,), natural)
  rows = [r for r in results["rows"] if r["domain"] == "natural"]
  assert {r["classes"] for r in rows} == {3}
  assert {r["classes"] for r in results["rows"] if r["domain"] == "medical"} == {2}
  signs = [r for r in rows if r["kind"] == "gradient"]
  assert [r["step"] for r in signs] == [0, 1, 4]
  for row in signs:  # TMI Theorem II: proven on Consistent_0, of no account elsewhere
    assert row["same_sign"] == 1.0 and row["same_sign_elsewhere"] is not None
    assert row["gradient_error"] < 1e-12
  text = shared.page(results)
  assert text.count('src="data:image/png') == 4 and "was not tested" not in text
  assert "target class 0" in text
