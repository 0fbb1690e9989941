"""What the main experiment says of its rows, and what stands beside them."""

import types

from hfc_tf.results.tables import beside_the_papers
from hfc_tf.results.verdict import verdict


def row(detector, area, *, attack="bim", hfc=False, rule=None, weight=0.0, population="successful",
        adv_acc=0.99, **more):  # fmt: skip
  low, high = (None, None) if area is None else (max(0, area - 0.02), min(1, area + 0.02))
  return types.SimpleNamespace(**{
    "attack": attack, "hfc": hfc, "hfc_weight": weight, "weight_rule": rule, "eps_256": 4.0,
    "step_size_256": 0.2, "steps": 40, "detector": detector, "population": population,
    "auc": area, "auc_low": low, "auc_high": high, "auc_within_class": area,
    "auc_within_class_low": low, "auc_within_class_high": high, "auc_two_sided": area,
    "auc_within_class_two_sided": None if area is None else max(area, 1 - area),
    "tpr_at_90_tnr": area, "adv_acc": adv_acc, "adv_acc_low": adv_acc - 0.02,
    "adv_acc_high": adv_acc, "adv_acc_8bit": adv_acc, "n_adversarial": 90, "n_clean": 100, **more,
  })  # fmt: skip


def rows():
  found = []
  for population in ("successful", "both_arms"):
    for detector, plain, paper, auto in [("kd", 0.97, 0.7, 0.75), ("maha", 1.0, 0.02, 0.2)]:
      found += [
        row(detector, plain, population=population),
        row(detector, paper, hfc=True, rule="paper", weight=1.0, population=population,
            adv_acc=0.854),
        row(detector, auto, hfc=True, rule="auto", weight=0.3, population=population,
            adv_acc=0.961),
      ]  # fmt: skip
  return found


def test_verdict():
  sentences = verdict(rows())
  assert sentences[0].startswith("Without HFC, 2 of 2 detectors tell images attacked by BIM")
  assert sentences[1] == (
    "With HFC at the papers’ weight (1), none does: AUCs run from 2\u202f% (MAHA) to 70\u202f% "
    "(KD), and 85\u202f% of the attacked images reach their target."
  )
  assert "MAHA would still give the attack away" in sentences[2]
  assert sentences[3].startswith("With HFC at the automatic weight (0.3), none does")
  assert len(sentences) == 4  # MAHA at 20 % does not give it away


def test_verdict_hides_no_failure():
  weak = [
    row("kd", 0.6), row("bu", 0.96),
    row("kd", 0.97, hfc=True, rule="weight 0.5", weight=0.5, adv_acc=0.2),
    row("bu", 0.5, hfc=True, rule="weight 0.5", weight=0.5, adv_acc=0.2),
  ]  # fmt: skip
  plain, hidden, seen = verdict(weak)
  assert plain.startswith("Without HFC, 1 of 2 detectors")
  assert seen == ("At this weight HFC does not hide from KD (97.0\u202f%): an AUC above 75\u202f%.")
  assert hidden.startswith("With HFC at weight 0.5, 1 still do")
  assert "only 20\u202f% of the attacked images" in hidden


def test_verdict_names_whom_hfc_does_not_hide_from():
  two = [
    row(name, area, hfc=True, rule="paper", weight=1, attack=attack)
    for attack, areas in (("bim", (0.8, 0.76, 0.75)), ("pgd", (0.7, 0.9, 0.1)))
    for name, area in zip(("kd", "hfc_score", "maha"), areas, strict=True)
  ]
  told = [sentence for sentence in verdict(two) if "does not hide" in sentence]
  assert told == ["At this weight HFC does not hide from HFC score (90.0\u202f%) and KD "
                  "(80.0\u202f%): an AUC above 75\u202f%."]  # fmt: skip


def test_verdict_over_attacks_gives_the_span():
  two = [row("kd", 0.99), row("bu", 0.99), row("kd", 0.99, attack="pgd"),
         row("bu", 0.5, attack="pgd")]  # fmt: skip
  assert verdict(two)[0].startswith("Without HFC, 1 to 2 of 2 detectors tell images attacked "
                                          "by BIM and PGD")  # fmt: skip


def test_attack_that_reached_nothing():
  hidden = row("kd", None, hfc=True, rule="paper", weight=1, adv_acc=0.02)
  nothing = [row("kd", None, adv_acc=0.02), hidden]
  sentences = verdict(nothing)
  assert "reached no target" in sentences[0] and "no target was reached" in sentences[1]


def test_published_figures_stand_beside_ours():
  (bim,) = beside_the_papers([r for r in rows() if r.population == "successful"], "chest")
  assert [line[:2] for line in bim.rows] == [
    ["MICCAI 2021, Table 2, ε = 1/256, ResNet-50", "without HFC"],
    ["MICCAI 2021, Table 2, ε = 1/256, ResNet-50", "with HFC"],
    ["TMI, Table V, ε = 1/256, ResNet-50", "without HFC"],
    ["TMI, Table V, ε = 1/256, ResNet-50", "with HFC"],
    ["Here, ε = 4/256", "–"], ["Here, ε = 4/256", "paper (1)"], ["Here, ε = 4/256", "auto (0.3)"],
  ]  # fmt: skip
  assert list(bim.head) == ["Source", "HFC", "KD", "MAHA", "Adv. Acc"]
  maha = [line[3] for line in bim.rows]
  assert maha[0].startswith("100.0 / ") and maha[1].startswith("0.0 / ")
  assert maha[4:] == ["100.0 / 100.0", "2.0 / 2.0", "20.0 / 20.0"]
  assert beside_the_papers(rows(), "folder") == []


def test_nothing_to_report():
  assert verdict([]) == ["There are no rows to report."]
