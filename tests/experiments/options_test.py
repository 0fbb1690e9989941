"""Attacks and detectors with options, from the configuration to rows, page and command line."""

import pytest

from hfc_tf.errors import InputError
from hfc_tf.experiments import detection
from hfc_tf.experiments.common import choices
from hfc_tf.report.page import command
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study
from tests.experiments import shared

ATTACKS = ("bim", "mim(decay=0)", "tim(kernel=3,reach=2)")
DETECTORS = ("kd", "kd(form=eq20)", "maha(mean=single)")
EXACT = ("auc", "adv_acc", "auc_within_class", "n_adversarial")


@pytest.fixture(scope="module")
def results():
  config = shared.config(attacks=ATTACKS, detectors=DETECTORS, hfc=True, hfc_weights=("balanced",))
  return shared.run(detection, config)


def test_rows_carry_the_whole_text_and_identities_hold(results):
  rows = {
    (row["attack"], row["detector"]): row
    for row in results["rows"]
    if row["population"] == "successful" and not row["hfc"]
  }
  assert set(rows) == {(attack, detector) for attack in ATTACKS for detector in DETECTORS}
  for detector in DETECTORS:
    plain, same = (rows[attack, detector] for attack in ATTACKS[:2])
    assert [plain[name] for name in EXACT] == [same[name] for name in EXACT]
  auc = [rows["bim", detector]["auc"] for detector in DETECTORS]
  assert auc[0] != auc[1]
  assert {row["attack"] for row in results["rows"] if row["hfc"]} == set(ATTACKS)  # balanced too


def test_pages_figures_and_the_command_say_it(results):
  page = shared.page(results)
  for label in ("MIM(decay=0)", "TIM(kernel=3,reach=2)", "KD(form=eq20)", "MAHA(mean=single)"):
    assert label in page
  assert "--attack=bim,mim(decay=0),tim(kernel=3,reach=2)" in command(results)


def test_full_covariances_are_the_densitys_of_the_study():
  plain, full = (
    Study(shared.config(**changes).resolved()).density
    for changes in ({}, {"covariance": "full"})
  )
  assert (plain.covariance, full.covariance) == ("low_rank", "full")
  features = {name: mixtures[0].means.shape[1] for name, mixtures in full.mixtures_.items()}
  assert features == {name: mixtures[0].width for name, mixtures in full.mixtures_.items()}


def test_the_page_says_what_flags_left_open():
  study = Study(shared.config(attacks=("tim",), covariance="full").resolved())
  assert choices(study) == [
    "TIM's kernel is 7, from 150 px on 15 as Dong et al.'s.",
    "Of 9 layers 0 are wider than 128 channels: low rank there.",
  ]
  assert choices(Study(shared.config(attacks=("tim(kernel=3)",)).resolved())) == []


def test_deepfool_with_hfc_is_refused_at_the_door():
  with pytest.raises(InputError, match="takes the HFC term; found deepfool with HFC; hide another"):
    Config(attacks=("bim", "deepfool"), hfc=True).resolved()
  Config(attacks=("bim", "deepfool")).resolved()
