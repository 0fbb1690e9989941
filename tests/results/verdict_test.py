"""What the main experiment says of its rows, and what stands beside them."""

import types

from hfc_tf.results.beside import beside_the_papers, table_one
from hfc_tf.results.rows import ClassArea
from hfc_tf.results.verdict import headline, verdict


def row(detector, area, *, attack="bim", hfc=False, rule=None, weight=0.0, population="successful",
        adv_acc=0.99, areas=None, n_adversarial=90, **more):  # fmt: skip
  areas = areas or [area] * 2
  folded = None if area is None else sum(max(each, 1 - each) for each in areas) / len(areas)
  low, high = (None, None) if area is None else (max(0.5, folded - 0.02), min(1, folded + 0.02))
  return types.SimpleNamespace(**{
    "attack": attack, "hfc": hfc, "hfc_weight": weight, "weight_rule": rule, "eps_256": 4.0,
    "step_size_256": 0.2, "steps": 40, "detector": detector, "population": population,
    "auc": area, "auc_within_class": area, "auc_within_class_two_sided": folded,
    "auc_within_class_two_sided_low": low, "auc_within_class_two_sided_high": high,
    "by_class": [ClassArea(k, each, 40, 50, each is None) for k, each in enumerate(areas)],
    "tpr_at_90_tnr": area, "tpr_at_90_tnr_test_threshold": area and area / 2,
    "evasion_rate": None if area is None else adv_acc * (1 - area),
    "adv_acc": adv_acc, "n_adversarial": n_adversarial, "n_clean": 100,
    **more,
  })  # fmt: skip


def rows():
  all_rows = []
  for population in ("successful", "both_arms"):
    for detector, plain, paper, auto in [("kd", 0.97, 0.51, 0.75), ("maha", 1.0, 0.02, 0.5)]:
      all_rows += [
        row(detector, plain, population=population),
        row(detector, paper, hfc=True, rule="paper", weight=1.0, population=population,
            adv_acc=0.854),
        row(detector, auto, hfc=True, rule="auto", weight=0.3, population=population,
            adv_acc=0.961),
      ]  # fmt: skip
  return all_rows


def test_verdict():
  assert verdict(rows()) == [
    "Without HFC, 99\u202f% of the images attacked by BIM reach their target; 2 of 2 detectors see "
    "them, most of all MAHA, 100.0\u202f% [98–100, n = 90], scores too high.",
    "With HFC at the papers’ weight (1), 85\u202f% of the images attacked by BIM reach their "
    "target; 1 of 2 detectors sees them, most of all MAHA, 98.0\u202f% [96–100, n = 90], "
    "scores too low.",
    "With HFC at the automatic weight (0.3), 96\u202f% of the images attacked by BIM reach their "
    "target; 1 of 2 detectors sees them, most of all KD, 75.0\u202f% [73–77, n = 90], "
    "scores too high.",
  ]


def test_headline_says_what_the_best_detector_catches_and_who_falls_most():
  (plain, hidden) = headline([row for row in rows() if row.population == "successful"])
  assert plain == (
    "BIM without HFC moves 99\u202f% of the images to their target; at 10\u202f% false alarms the "
    "best of 2 detectors, MAHA, catches 100\u202f% of these, and 0\u202f% of all images evade it."
  )
  # Of both weights the papers', whatever they let through: 1 - .51 of .854 evade.
  assert "at the papers’ weight (1) moves 85" in hidden and "KD, catches 51" in hidden
  assert "42\u202f% of all images evade it." in hidden
  assert hidden.endswith("MAHA falls from 100\u202f% caught to 2\u202f%.")


def test_headline_names_the_balanced_form_whatever_it_lets_through():
  given = [*rows(), row("kd", 0.99, hfc=True, rule="balanced")]
  (_, hidden) = headline([each for each in given if each.population == "successful"])
  assert hidden.startswith("BIM with HFC balanced image by image moves 99")


def test_an_attack_that_is_too_weak_is_said_first():
  first, *_ = headline([row("kd", 0.9, adv_acc=0.2), row("kd", 0.1, adv_acc=0.1, hfc=True)])
  assert first.startswith("BIM is too weak at ε = 4/256") and "Raise --eps or --steps." in first


def test_none_is_said_only_where_no_interval_excludes_one_half():
  near = [row(name, area, hfc=True, rule="weight 0.5", weight=0.5, adv_acc=0.2)
          for name, area in (("kd", 0.51), ("bu", 0.5))]  # fmt: skip
  (seen,) = verdict(near)
  assert seen == (
    "With HFC at weight 0.5, only 20\u202f% of the images attacked by BIM reach their target; none "
    "of 2 detectors sees them, the nearest is KD, 51.0\u202f% [50–53, n = 90], scores too high."
  )
  # Classes that cancel in the mean do not hide the attack, nor does a low score.
  opposite = row("squeezing", 0.5, areas=[0.047, 0.833, 0.703], hfc=True, rule="weight 0.5")
  seen = verdict([*near, opposite])[0]
  assert "1 of 3 detectors sees" in seen
  sides = "scores too high in some classes, too low in others"
  assert f"Squeezing, 83.0\u202f% [81–85, n = 90], {sides}" in seen


def test_a_class_near_one_half_has_no_side():
  (text, *_) = verdict([row("kd", 0.3, areas=[0.04, 0.52])])
  assert "scores too low." in text


def test_verdict_over_attacks_gives_the_span_and_names_the_attack():
  two = [row("kd", 0.99), row("bu", 0.98), row("kd", 0.995, attack="pgd"),
         row("bu", 0.5, attack="pgd")]  # fmt: skip
  (text,) = verdict(two)
  assert text.startswith("Without HFC, 99\u202f% of the images attacked by BIM and PGD reach their")
  assert "1 to 2 of 2 detectors see them, most of all KD on PGD, 99.5\u202f%" in text


def test_attack_that_reached_nothing():
  none = {"n_adversarial": 0, "adv_acc": 0.0}
  nothing = [row("kd", None, **none), row("kd", None, hfc=True, rule="paper", weight=1, **none)]
  assert verdict(nothing) == [
    "Without HFC, BIM, ε = 4/256 reached no target: nothing to detect.",
    "With HFC at the papers’ weight (1), BIM, ε = 4/256 reached no target: nothing to detect.",
  ]


def test_too_few_images_are_no_verdict():
  (text,) = verdict([row("kd", None, n_adversarial=12)])
  assert "too few to judge detectors by: no class has 20 on both sides" in text


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
  assert maha[4:] == ["100.0 / 50.0 (100.0)", "2.0 / 1.0 (2.0)", "50.0 / 25.0 (50.0)"]
  assert beside_the_papers(rows(), "folder") == []


def test_figures_stand_beside_papers_that_print_no_success():
  (bim,) = beside_the_papers([row("kd", 0.9), row("maha", 0.8)], "cifar10")  # TMI Table V
  assert list(bim.head) == ["Source", "HFC", "KD", "MAHA", "Adv. Acc"]
  assert {len(line) for line in bim.rows} == {5}
  assert [line[-1] for line in bim.rows[:-1]] == ["–"] * (len(bim.rows) - 1)
  assert bim.rows[-1][0].startswith("Here") and bim.rows[-1][-1] != "–"


def test_the_papers_do_not_ask_every_detector():
  (bim,) = beside_the_papers([row("kd", 0.9), row("knn", 0.9), row("maha(mean=single)", 0.8)],
                             "chest")  # fmt: skip
  assert [name.lower() for name in bim.head[:3]] == ["source", "hfc", "kd"] and len(bim.head) == 5
  assert all(cell != "–" for line in bim.rows for cell in line[2:4])  # no column is empty


def test_the_brain_columns_of_table_one_are_whole():
  (made,) = table_one([row("kd", 0.9, attack="bim"), row("bu", 0.7, attack="tim")], "brain")
  assert list(made.head) == ["Source", "HFC", "KD", "BU", "MAHA", "LID", "SVM", "Adv. Acc"]
  printed = {line[0]: line for line in made.rows if line[1] == "with HFC"}
  assert len(printed) == 4 and all(cell != "–" for line in printed.values() for cell in line)
  (tim,) = [line for name, line in printed.items() if name.endswith("TIM")]
  assert tim[2:4] == ["56.3 / 13.5", "35.4 / 7.6"]  # TMI Table I
  assert [line[0] for line in made.rows[-2:]] == ["Here, ε = 4/256, BIM", "Here, ε = 4/256, TIM"]
  assert made.rows[-1][3] == "70.0 / 35.0 (70.0)" and made.rows[-1][2] == "–"


def test_nothing_to_report():
  assert verdict([]) == ["There are no rows to report."]
