import numpy as np
import pytest

from hfc_tf.experiments import medical_natural
from hfc_tf.experiments.common import hfc_study
from hfc_tf.experiments.natural import Natural
from hfc_tf.results import claims
from hfc_tf.study import hfc_weight
from tests.experiments import shared


def test_without_natural_images_they_are_not_tested():
  config = shared.config(hfc_weights=("1",), detectors=("kd",), tuning_images=32)
  results = shared.run(medical_natural, config)
  assert {row["domain"] for row in results["rows"]} == {"medical"}
  assert results["smallest_eps_256"]["natural"] is None
  page = shared.page(results)
  assert "were not tested" in page and "TMI, Table V" in page


def test_both_domains(thin_models, tmp_path):
  rng = np.random.default_rng(0)
  labels = np.arange(200) % 2
  images = rng.integers(0, 90, (200, 16, 16, 3)) + 100 * labels[:, None, None, None]
  np.savez(tmp_path / "natural.npz", images=images.astype(np.uint8), labels=labels)
  config = shared.config(hfc_weights=("1",), detectors=("kd",), tuning_images=32, fixed="step")
  natural = Natural(str(tmp_path / "natural.npz"), "npz", image_size=16, epochs=4)
  results = shared.run(medical_natural, config, natural, (32.0, 64.0))
  budgets = {(r["domain"], r["eps_256"], r["hfc"]) for r in results["rows"]}
  assert budgets >= {("medical", 8.0, True), ("natural", 32.0, True), ("natural", 64.0, False)}
  medical, name = hfc_study(config)
  step = medical.config.step_size_256
  assert {(r["eps_256"], r["steps"], r["step_size_256"]) for r in results["rows"]} == {
    (eps, round(2 * eps / step), step) for eps in (8.0, 32.0, 64.0)
  }
  other = natural.beside(medical, eps_256=32.0, steps=None)
  studies = {"medical": medical, "natural": other}
  smallest = results["smallest_eps_256"]
  for domain, study in studies.items():
    assert smallest[domain] == pytest.approx(256 * hfc_weight.smallest_budget(study, name))
    plain = next(r for r in results["rows"] if r["domain"] == domain and not r["hfc"])
    assert plain["dataset"] == study.config.dataset
    assert plain["n_clean"] == len(study.rows_of["adv_test"])
    attack = study.attack(name, eps=plain["eps_256"] / 256)
    taps, _ = study.taps_of(study.attacked(name, attack, "adv_test"), "adv_test")
    aimed = study.aimed("adv_test")
    fooled = taps.predictions[aimed] == study.targets["adv_test"][aimed]
    assert plain["adv_acc"] == pytest.approx(fooled.mean())
  assert smallest["medical"] < smallest["natural"]
  assert results["data"]["natural"]["image_size"] == 16
  assert [(r["hfc"], r["first_eps_256"], r["second_eps_256"]) for r in results["pairs"]] == [
    (False, 64.0, 32.0), (True, 64.0, 32.0),
  ]  # fmt: skip
  judged = [line for line in claims.verdicts({"medical_natural": results}) if line["numbers"]]
  assert len(judged) == 4
  for line in (line for line in judged if not line["claim"].startswith("On natural")):
    assert line["verdict"].startswith("not comparable: differs in image size (32 and 16), ")
