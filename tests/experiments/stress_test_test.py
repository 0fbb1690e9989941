import numpy as np
import pytest

from hfc_tf.experiments import stress_test
from hfc_tf.experiments.natural import Natural
from tests.experiments import shared


def by_place(rows, **wanted):
  return [r for r in rows if all(r[name] == value for name, value in wanted.items())]


@pytest.fixture
def natural(tmp_path):
  """Dark and bright noise, which is soon told apart, passes for natural images."""
  labels = np.arange(200) % 2
  noise = np.random.default_rng(0).integers(0, 90, (200, 16, 16, 3))
  images = (noise + 100 * labels[:, None, None, None]).astype(np.uint8)
  np.savez(tmp_path / "some.npz", images=images, labels=labels)
  return tmp_path / "some.npz"


def test_experiment_on_both_domains(thin_models, natural):
  other = Natural(str(natural), "npz", image_size=16, epochs=4)
  found = shared.run(stress_test, shared.config(), images=8, iterations=4, natural=other)
  rows = found["rows"]
  assert {r["domain"] for r in rows} == {"medical", "natural"}
  miccai = by_place(rows, paper="MICCAI 2021, Table 1", domain="medical", direction="up")
  assert [r["layer_number"] for r in miccai] == [7, 8, 9]
  tmi = by_place(rows, paper="TMI, Fig. 4", domain="natural", direction="up")
  assert [r["layer"].split("_")[0] for r in tmi] == ["stem", "stage1", "stage2"]
  assert {(r["eps_256"], r["steps"]) for r in rows} == {(8.0, 4), (1.0, 10)}
  for row in rows:
    moved = row["mean_after"] - row["mean_before"]
    assert moved > 0 if row["direction"] == "up" else moved < 0
    assert row["ratio"] == pytest.approx(abs(moved) / row["mean_before"])
    assert row["n_images"] == 8
  text = shared.page(found)
  assert "not tested" not in text.lower() and "drawn by a program; the natural" in text
  assert "0.0475" in text  # MICCAI's own figure stands beside


def test_without_natural_images_it_says_so():
  found = shared.run(stress_test, shared.config(), ["9"], images=8, iterations=2)
  assert {r["layer_number"] for r in found["rows"]} == {9}
  assert "Natural images were not tested" in shared.page(found)
