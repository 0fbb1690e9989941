"""Comparisons: what detectors learn from and what they are asked, on one small study."""

import dataclasses

import keras
import numpy as np
import pytest

from hfc_tf.errors import InputError
from hfc_tf.evaluation import metrics
from hfc_tf.study import comparison, hfc_weight
from hfc_tf.study.study import Study
from tests.experiments import shared


@pytest.fixture(scope="module")
def study():
  config = shared.config(hfc=True, hfc_weights=("1", "0.25"), detectors=("maha", "squeezing"))
  return Study(config.resolved())


@pytest.fixture(scope="module")
def compared(study):
  return comparison.compare(study, "bim")


def test_results_are_of_the_attack_without_and_with_hfc(study, compared):
  assert list(compared.results) == ["attack", "paper", "weight 0.25"]
  assert [result.hfc_weight for result in compared.results.values()] == [0.0, 1.0, 0.25]
  assert [result.hfc for result in compared.results.values()] == [False, True, True]
  assert compared.auto_weight is None
  assert len({result.images.tobytes() for result in compared.results.values()}) == 3
  clean = study.images("adv_test")
  for result in compared.results.values():
    assert np.abs(result.images - clean).max() <= 8 / 255 + 1e-6
    assert (result.eps_256, result.step_size_256, result.grid) == (8.0, 4.0, "8 bits")
    again = study.victim.model.taps(result.images).predictions
    assert np.array_equal(result.success, again == study.targets["adv_test"])


def test_rows_are_those_of_the_scores(study, compared):
  for label, result in compared.results.items():
    rows = {row.detector: row for row in compared.rows(label)}
    assert set(rows) == {"maha", "squeezing"}
    for name, row in rows.items():
      scores = compared.scores[name]
      assert row.auc == metrics.auc(scores["clean"], scores[label][result.success])
      assert row.population == "successful" and row.n_adversarial == result.success.sum()
  both = [row for row in compared.rows() if row.population == "both_arms"]
  assert len(both) == 2 * 3 and len(compared.rows()) == 2 * len(both)


def test_detectors_of_images_get_images_and_others_get_taps(study, compared):
  squeezing, maha = compared.detectors["squeezing"], compared.detectors["maha"]
  shown = squeezing.score_images(study.victim.model, compared.results["paper"].images)
  assert np.array_equal(compared.scores["squeezing"]["paper"], shown)
  assert np.array_equal(
    compared.scores["maha"]["attack"], maha.score(compared.results["attack"].taps)
  )


def test_detectors_learn_from_what_they_are_told(study, compared):
  attacks = hfc_weight.hfc_attacks(study, "bim")
  taught = comparison.fit_detectors(study, "bim", {"attack": study.attack("bim"), **attacks})
  same = comparison.fit_detectors(study, "bim", {"attack": study.attack("bim")})
  scores = [
    each["maha"].score(compared.results["paper"].taps)
    for each in (compared.detectors, same, taught)
  ]
  assert np.array_equal(scores[0], scores[1])
  assert not np.allclose(scores[0], scores[2])


def test_retraining_is_a_flag(study, compared):
  config = dataclasses.replace(study.config, retrain="mixture", detectors=("maha",))
  again = comparison.compare(Study(config), "bim")
  assert np.array_equal(again.results["paper"].images, compared.results["paper"].images)
  assert not np.allclose(again.scores["maha"]["paper"], compared.scores["maha"]["paper"])


def test_attacks_of_the_same_terms_share_their_loop_and_nothing_else(study):
  one, other = study.attack("bim", study.hfc), study.attack("bim", study.hfc, eps=4 / 256)
  assert one._loop is other._loop
  assert (one.eps, other.eps) == (8 / 255, 4 / 255)
  assert other.step_size == pytest.approx(one.step_size / 2) and one.steps == other.steps
  one.weights["hfc"] = 3.0
  assert other.weights["hfc"] == study.hfc.weight == 1.0


def test_the_typical_aim_takes_its_margin_from_adv_train(study):
  attacks = hfc_weight.hfc_attacks(study, "bim", aim="typical")
  assert list(attacks) == ["weight 1", "weight 0.25"]
  term = next(iter(attacks.values())).objective.terms[1]
  ordered = np.sort(study.clean["adv_train"].logits, 1)
  assert term.goal.kappa == pytest.approx(0.5 * np.median(ordered[:, -1] - ordered[:, -2]))
  assert all(list(attack.weights) == ["margin", "hfc"] for attack in attacks.values())


def test_an_attack_made_elsewhere_is_shown_to_this_classifier(study, tmp_path):
  network = keras.models.load_model(study.config.model_path)
  rng = np.random.default_rng(0)
  network.set_weights(
    [w * (1 + 0.02 * rng.standard_normal(w.shape)) for w in network.get_weights()]
  )
  network.save(tmp_path / "other.keras")
  other = study.beside("other", model_path=str(tmp_path / "other.keras"))
  assert np.array_equal(other.sources.split.train, study.sources.split.train)
  assert other.victim.key != study.victim.key and other.store is study.store
  result = comparison.evaluate(study, "bim", other.attack("bim"), by=other)
  assert result.images.tobytes() != study.attacked("bim", study.attack("bim"), "adv_test").tobytes()
  predictions = study.victim.model.taps(result.images).predictions
  assert np.array_equal(result.taps.predictions, predictions)


def test_attacks_in_bfloat16_are_other_images_judged_in_float32(study, compared):
  low = Study(dataclasses.replace(study.config, precision="bfloat16"))
  assert low.victim.model.precision == "float32" and low.victim.key == study.victim.key
  assert low.attacked_model.precision == "bfloat16"
  images = low.attacked("bim", low.attack("bim"), "adv_test")
  assert not np.array_equal(images, compared.results["attack"].images)
  assert np.mean(images == compared.results["attack"].images) > 0.5


@pytest.mark.parametrize("kind", ["mirrored", pytest.param("ray", marks=pytest.mark.ray)])
def test_work_that_is_distributed_ends_alike(study, compared, kind, tmp_path):
  if kind == "ray":
    pytest.importorskip("ray")
  elsewhere = {"artefacts": str(tmp_path), "distribute": kind, "workers": 1}
  apart = Study(dataclasses.replace(study.config, **elsewhere))
  images = apart.attacked("bim", apart.attack("bim"), "adv_test")
  taps, _ = apart.taps_of(images, "adv_test")
  apart.executor.close()
  assert np.mean(images == compared.results["attack"].images) > 0.99
  assert np.array_equal(taps.predictions, compared.results["attack"].taps.predictions)


def test_balanced_attacks_end_on_the_grid_of_the_study(study):
  config = dataclasses.replace(study.config, hfc_weights=("1", "balanced"))
  other = Study(config)
  attacks = hfc_weight.hfc_attacks(other, "bim")
  assert list(attacks) == ["paper", "balanced"]
  assert attacks["balanced"].update.levels == other.levels
  assert [term.name for term in attacks["balanced"].objective.terms] == ["margin", "hfc"]
  assert list(hfc_weight.hfc_attacks(other, "mim(decay=0.5)")) == ["paper", "balanced"]
  for name in ("cw_l2", "cw(kappa=0)"):
    assert list(hfc_weight.hfc_attacks(other, name)) == ["paper"]
    assert any(f"{name} has no balanced form" in text for text in other.warnings)
  other.config = dataclasses.replace(config, hfc_weights=("balanced",), retrain="hfc")
  with pytest.raises(InputError, match="--retrain=hfc learns; found none"):
    hfc_weight.hfc_attacks(other, "cw_l2")
