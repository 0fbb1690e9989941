"""Cases: what detectors learn from and what they are asked, on one small study."""

import dataclasses

import keras
import numpy as np
import pytest

from hfc_tf.evaluation import metrics
from hfc_tf.study import cases, hiding
from hfc_tf.study.study import Study
from tests.experiments import shared


@pytest.fixture(scope="module")
def study():
  config = shared.config(hfc=True, hfc_weights=("1", "0.25"), detectors=("maha", "squeezing"))
  return Study(config.resolved())


@pytest.fixture(scope="module")
def case(study):
  return cases.plain_and_hidden(study, "bim")


def test_arms_are_the_attack_and_its_hidden_forms(study, case):
  assert list(case.images) == ["attack", "paper", "weight 0.25"]
  assert [arm.hfc_weight for arm in case.arms] == [0.0, 1.0, 0.25]
  assert [arm.hfc for arm in case.arms] == [False, True, True]
  assert case.auto is None
  assert len({images.tobytes() for images in case.images.values()}) == 3
  clean = study.images("adv_test")
  for label, arm in case.labelled().items():
    assert np.abs(case.images[label] - clean).max() <= 8 / 256 + 1e-6
    again = study.subject.model.taps(case.images[label]).predictions
    assert np.array_equal(arm.success, again == study.targets["adv_test"])


def test_rows_are_those_of_the_scores(study, case):
  for label, arm in case.labelled().items():
    rows = {row.detector: row for row in case.rows_of(label)}
    assert set(rows) == {"maha", "squeezing"}
    for name, row in rows.items():
      scores = case.scores[name]
      assert row.auc == metrics.auc(scores["clean"], scores[label][arm.success])
      assert row.population == "successful" and row.n_adversarial == arm.success.sum()
  both = [row for row in case.rows() if row.population == "both_arms"]
  assert len(both) == 2 * 3 and len(case.rows()) == 2 * len(both)


def test_detectors_of_images_get_images_and_others_get_taps(study, case):
  squeezing, maha = case.detectors["squeezing"], case.detectors["maha"]
  shown = squeezing.score_images(study.subject.model, case.images["paper"])
  assert np.array_equal(case.scores["squeezing"]["paper"], shown)
  assert np.array_equal(case.scores["maha"]["attack"], maha.score(case.arms[0].taps))


def test_detectors_learn_from_what_they_are_told(study, case):
  hidden = hiding.hidden(study, "bim")
  taught = cases.fitted(study, "bim", {"attack": study.attack("bim"), **hidden})
  same = cases.fitted(study, "bim", {"attack": study.attack("bim")})
  scores = [each["maha"].score(case.arms[1].taps) for each in (case.detectors, same, taught)]
  assert np.array_equal(scores[0], scores[1])
  assert not np.allclose(scores[0], scores[2])


def test_retraining_is_a_flag(study, case):
  config = dataclasses.replace(study.config, retrain="mixture", detectors=("maha",))
  again = cases.plain_and_hidden(Study(config), "bim")
  assert np.array_equal(again.images["paper"], case.images["paper"])
  assert not np.allclose(again.scores["maha"]["paper"], case.scores["maha"]["paper"])


def test_attacks_of_the_same_terms_share_their_loop_and_nothing_else(study):
  one, other = study.attack("bim", study.hfc), study.attack("bim", study.hfc, eps=4 / 256)
  assert one._loop is other._loop
  assert (one.eps, other.eps) == (8 / 256, 4 / 256)
  assert other.step_size == pytest.approx(one.step_size / 2) and one.steps == other.steps
  one.weights["hfc"] = 3.0
  assert other.weights["hfc"] == study.hfc.weight == 1.0


def test_the_typical_aim_takes_its_margin_and_scale_from_adv_train(study):
  attacks = cases.hidden(study, "bim", aim="typical")
  assert list(attacks) == ["weight 1", "weight 0.25"]
  term = next(iter(attacks.values())).objective.terms[1]
  ordered = np.sort(study.clean["adv_train"].logits, 1)
  assert term.goal.kappa == pytest.approx(np.median(ordered[:, -1] - ordered[:, -2]))
  assert 0 <= term.scale <= 5
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
  assert other.subject.key != study.subject.key and other.store is study.store
  shot = cases.shoot(study, "bim", other.attack("bim"), by=other)
  assert shot.images.tobytes() != study.attacked("bim", study.attack("bim"), "adv_test").tobytes()
  predictions = study.subject.model.taps(shot.images).predictions
  assert np.array_equal(shot.arm.taps.predictions, predictions)


def test_attacks_in_bfloat16_are_other_images_judged_in_float32(study, case):
  low = Study(dataclasses.replace(study.config, precision="bfloat16"))
  assert low.subject.model.precision == "float32" and low.subject.key == study.subject.key
  assert low.attacked_model.precision == "bfloat16"
  images = low.attacked("bim", low.attack("bim"), "adv_test")
  assert not np.array_equal(images, case.images["attack"])
  assert np.mean(images == case.images["attack"]) > 0.5


@pytest.mark.parametrize("kind", ["mirrored", pytest.param("ray", marks=pytest.mark.ray)])
def test_work_that_is_distributed_ends_alike(study, case, kind, tmp_path):
  if kind == "ray":
    pytest.importorskip("ray")
  elsewhere = {"artefacts": str(tmp_path), "distribute": kind, "workers": 1}
  apart = Study(dataclasses.replace(study.config, **elsewhere))
  images = apart.attacked("bim", apart.attack("bim"), "adv_test")
  taps, _ = apart.taps_of(images, "adv_test")
  apart.executor.close()
  assert np.mean(images == case.images["attack"]) > 0.99
  assert np.array_equal(taps.predictions, case.arms[0].taps.predictions)
