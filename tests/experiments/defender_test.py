import types

import numpy as np
import pytest

from hfc_tf.evaluation.protocol import AttackResult
from hfc_tf.experiments import defender
from hfc_tf.study import hfc_weight
from hfc_tf.study.comparison import Comparison
from hfc_tf.taps import Taps
from tests.experiments import shared

LABELS = np.array([0, 0, 1, 1], np.int32)


def _taps(predictions):
  return Taps({}, np.eye(2, dtype=np.float32)[predictions], LABELS, "last")


def _result(success):
  targets = 1 - LABELS
  taps = _taps(np.where(success, targets, LABELS))
  return AttackResult("bim", False, 0.0, None, 4, 0.2, 40, taps,
                      targets, targets, np.zeros(4))  # fmt: skip


class Detector:
  threshold_ = 0.5


def test_worst_case_counts_an_image_as_caught_only_if_all_its_attacks_are():
  results = {
    "attack": _result(np.array([True, True, True, False])),
    "hfc": _result(np.array([True, True, False, False])),
  }
  scores = {"d": {
    "clean": np.array([0.1, 0.2, 0.1, 0.2]),
    "attack": np.array([0.9, 0.9, 0.9, 0.0]),
    "hfc": np.array([0.8, 0.4, 0.0, 0.0]),  # its third and fourth images do not count
  }}  # fmt: skip
  compared = Comparison(_taps(LABELS), results, scores, {"d": Detector()})
  (row,) = defender.worst_case("plain", compared)
  assert (row.n_adversarial, row.n_clean) == (3, 4)
  assert row.tpr_at_90_tnr == pytest.approx(2 / 3)
  assert row.auc_within_class == 1.0


def test_experiment():
  config = shared.config(hfc_weights=("1",), detectors=("kd", "maha"))
  results = shared.run(defender, config)
  rows = {(r["learnt_from"], r["weight_rule"], r["detector"]): r for r in results["rows"]}
  assert {key[0] for key in rows} == {"plain", "mode", "typical", "mixture"}
  assert {key[1] for key in rows} >= {None, "mode paper", "typical weight 1"}
  assert {(r["weight_rule"], r["aim"]) for r in results["rows"]} == {
    (None, None), ("mode paper", "mode"), ("typical weight 1", "typical"),
  }  # fmt: skip
  # The images are the same, the detectors are not.
  pair = [rows[lesson, "mode paper", "maha"] for lesson in ("plain", "mode")]
  assert pair[0]["adv_acc"] == pair[1]["adv_acc"] and pair[0]["auc"] != pair[1]["auc"]
  worst = {(r["learnt_from"], r["detector"]): r for r in results["worst_case"]}
  for (lesson, detector), row in worst.items():
    each = [r["tpr_at_90_tnr"] for k, r in rows.items() if (k[0], k[2]) == (lesson, detector)]
    assert row["tpr_at_90_tnr"] <= max(each)
  page = shared.page(results)
  assert "Worst case over all attacks" in page and "HFC typical, weight 1" in page


@pytest.mark.parametrize("left", [("mode",), ()], ids=["one aim", "none"])
def test_aims_without_an_attack_are_left_out(monkeypatch, left):
  hfc_attacks = hfc_weight.hfc_attacks
  monkeypatch.setattr(
    hfc_weight, "hfc_attacks", lambda *args, aim: hfc_attacks(*args, aim=aim) if aim in left else {}
  )
  results = shared.run(defender, shared.config(hfc_weights=("1",), detectors=("kd",)))
  assert {r["weight_rule"] for r in results["rows"]} == {None, *(f"{aim} paper" for aim in left)}
  assert {r["learnt_from"] for r in results["worst_case"]} == (
    {"plain", *left, "mixture"} if left else {"plain"}
  )
  assert ("HFC reached no target" in shared.page(results)) == (not left)


def row(detector, area, rule=None, *, adv_acc=0.9, lesson="plain"):
  return types.SimpleNamespace(
    detector=detector, auc_within_class=area, adv_acc=adv_acc, learnt_from=lesson,
    auc_within_class_two_sided=None if area is None else max(area, 1 - area),
    auc_within_class_two_sided_low=None, auc_within_class_two_sided_high=None,
    hfc=rule is not None, weight_rule=rule, aim=rule.split()[0] if rule else None,
  )  # fmt: skip


def worst(lesson="plain"):
  return types.SimpleNamespace(learnt_from=lesson, detector="kd", auc_within_class=0.5,
                               tpr_at_90_tnr=0.2, n_adversarial=9)  # fmt: skip


ROWS = [
  row("kd", 1.0), row("maha", 1.0),
  row("kd", 0.6, "mode paper"), row("maha", 0.05, "mode paper"),
  row("kd", 0.7, "mode auto", adv_acc=0.8), row("maha", 0.5, "mode auto", adv_acc=0.8),
  row("kd", 0.55, "typical paper"), row("maha", None, "typical paper"),
  row("kd", 0.99, "mode paper", lesson="mode"), row("kd", 0.6, "typical paper", lesson="mode"),
]  # fmt: skip


def test_the_worst_detector_is_the_one_that_sees_most_on_either_side():
  assert defender.frontier(ROWS) == {
    "mode": {"HFC mode, auto": (0.8, 0.7), "HFC mode, paper": (0.9, 0.95)},
    "typical": {"HFC typical, paper": (0.9, 0.55)},
  }


def test_tables_and_the_figure():
  lines = defender._table(ROWS).rows
  attacks = [line[1] for line in lines if line[0] == "the attack without HFC"]
  assert attacks == ["without HFC", "HFC mode, paper", "HFC mode, auto", "HFC typical, paper"]
  worst_lines = defender._worst_table([worst(), worst("mode")]).rows
  assert worst_lines[0] == ["the attack without HFC", "50.0 (20.0)"]
  (figure,) = defender._figures(ROWS)
  assert "HFC mode, paper: Adv. Acc 90.0\u202f%, AUC 95.0\u202f%" in figure.alt
  (finding,) = defender._findings(ROWS)
  assert "the attack without HFC: 66.0\u202f%; HFC at the mode: 79.5\u202f%" in finding


@pytest.mark.parametrize("rows", [ROWS[:4], ROWS[:2]], ids=["one arm", "none"])
def test_no_curve_without_several_weights(rows):
  assert defender._figures(rows) == []
  assert ("HFC reached no target" in defender._findings(rows)[0]) == (len(rows) == 2)
