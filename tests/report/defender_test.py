import types

import pytest

from hfc_tf.report import defender


def row(detector, area, rule=None, *, adv_acc=0.9, lesson="plain"):
  return types.SimpleNamespace(
    detector=detector, auc_within_class=area, adv_acc=adv_acc, learnt_from=lesson,
    auc_within_class_two_sided=None if area is None else max(area, 1 - area),
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


def test_page():
  section = defender.section("bim", ROWS, [worst(), worst("mode")])
  arms = [line[1] for line in section.tables[0].rows if line[0] == "the attack without HFC"]
  assert arms == ["without HFC", "HFC mode, paper", "HFC mode, auto", "HFC typical, paper"]
  assert section.tables[1].rows[0] == ["the attack without HFC", "50.0 (20.0)"]
  (figure,) = section.figures
  assert "HFC mode, paper: Adv. Acc 90.0\u202f%, AUC 95.0\u202f%" in figure.alt
  assert len(section.lead) == 2


@pytest.mark.parametrize("rows", [ROWS[:4], ROWS[:2]], ids=["one arm", "none"])
def test_no_curve_without_several_weights(rows):
  section = defender.section("bim", rows, [worst()])
  assert section.figures == []
  assert ("HFC reached no target" in section.lead[0]) == (len(rows) == 2)
