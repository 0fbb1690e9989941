import numpy as np

from hfc_tf.experiments import medical_natural
from hfc_tf.experiments.natural import Natural
from tests.experiments import shared


def test_without_natural_images_they_are_not_tested():
  config = shared.config(hfc_weights=("1",), detectors=("kd",), tuning_images=32)
  found = shared.run(medical_natural, config)
  assert {row["domain"] for row in found["rows"]} == {"medical"}
  assert found["smallest_eps_256"]["natural"] is None
  page = shared.page(found)
  assert "were not tested" in page and "TMI, Table V" in page


def test_both_domains(thin_models, tmp_path):
  rng = np.random.default_rng(0)
  labels = np.arange(200) % 2
  images = rng.integers(0, 90, (200, 16, 16, 3)) + 100 * labels[:, None, None, None]
  np.savez(tmp_path / "natural.npz", images=images.astype(np.uint8), labels=labels)
  config = shared.config(hfc_weights=("1",), detectors=("kd",), tuning_images=32)
  natural = Natural(str(tmp_path / "natural.npz"), "npz", image_size=16, epochs=4)
  found = shared.run(medical_natural, config, natural, (32.0, 64.0))
  own = {(r["domain"], r["eps_256"], r["hfc"]) for r in found["rows"]}
  assert own >= {("medical", 8.0, True), ("natural", 32.0, True), ("natural", 64.0, False)}
  for domain, eps in found["smallest_eps_256"].items():
    assert eps is None or 8 / 64 <= eps <= 64 * 64, domain
