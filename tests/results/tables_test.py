import types

import pytest

from hfc_tf.results import figures, tables


def row(detector, area, rule=None, **more):
  return types.SimpleNamespace(
    **{"detector": detector, "auc_within_class": area, "auc": 0.5,
       "auc_within_class_two_sided": None if area is None else max(area, 1 - area),
       "weight_rule": rule,
       "hfc": rule is not None, "hfc_weight": 0.25 if rule else 0.0, "adv_acc": 0.9, **more}
  )  # fmt: skip


ROWS = [row("kd", 0.9), row("maha", 1.0), row("kd", 0.2, "auto"), row("maha", None, "auto")]
HFC = {"HFC": tables.weight_label}


def test_an_arm_is_a_line_and_a_detector_a_column():
  table = tables.detector_table("c", ROWS, HFC)
  assert list(table.head) == ["HFC", "KD", "MAHA", "Adv. Acc"]
  assert table.rows == [
    ["–", "90.0 / 90.0 (50.0)", "100.0 / 100.0 (50.0)", "90.0"],
    ["auto (0.25)", "20.0 / 80.0 (50.0)", "– / – (50.0)", "90.0"],
  ]


def test_who_was_not_asked_has_a_dash():
  rows = [row("kd", 0.9), row("svm", 0.8, "auto", adv_acc=0.5), row("kd", 0.7, "auto")]
  table = tables.detector_table("c", rows, HFC, {"n": lambda rows: str(len(rows))},
                                ("auc_within_class", "adv_acc"), "{} ({})")  # fmt: skip
  assert table.rows == [["–", "90.0 (90.0)", "–", "1"], ["auto (0.25)", "70.0 (90.0)",
                                                         "80.0 (50.0)", "2"]]  # fmt: skip
  assert tables.adv_acc(rows[1:]) == "50.0–90.0" and tables.adv_acc(rows[:1]) == "90.0"


def test_rows_are_grouped_as_they_come():
  groups = tables.grouped(ROWS, "weight_rule", "detector")
  assert list(groups) == [(None, "kd"), (None, "maha"), ("auto", "kd"), ("auto", "maha")]
  assert tables.grouped(ROWS, "hfc")[True,] == ROWS[2:]


def test_means_are_of_what_is_there():
  assert tables.mean([None, 0.25, 0.75]) == 0.5 and tables.mean([None]) is None
  assert tables.means(ROWS[2:], lambda row: "x", "AUC") == "Mean AUC – x: 80.0\u202f%."
  assert tables.means(ROWS[3:], lambda row: "x", "AUC", "adv_acc") == "Mean AUC – x: 90.0\u202f%."


@pytest.mark.parametrize(("dataset", "there"), [("fundus", True), ("cifar10", False)])
def test_the_papers_have_a_table_where_they_print_one(dataset, there):
  fields = {"setting": "semi_white_box", "dataset": dataset, "classifier": "resnet50"}
  made = tables.papers_table("c", **fields, table="Table IV")
  assert bool(made) == there
  if there:
    assert list(made[0].head) == ["Source", "HFC", "KD", "MAHA", "LID", "SVM", "DNN", "Adv. Acc"]
    assert {line[0] for line in made[0].rows} == {"TMI, Table IV, ε = 4/256, ResNet-50"}
    assert [line[1] for line in made[0].rows] == ["without HFC", "with HFC"]
    assert [line[-1] for line in made[0].rows] == ["83.2", "68.2"]


def test_what_differs_among_published_figures_is_told():
  (table,) = tables.papers_table("c", ("kd",), setting="components", dataset="fundus")
  assert [line[0].rpartition(", ")[2] for line in table.rows] == [f"M = {2**i}" for i in range(8)]
  assert table.head == ["Source", "HFC", "KD", "Average", "Maximum"] and "57.8" in table.note
  (table,) = tables.papers_table("c", setting="adaptive", dataset="chest", table="Table II")
  assert [(line[0].rpartition(", ")[2], line[1]) for line in table.rows] == [
    ("Random guide", "–"), ("Closest guide", "–"), ("KDE", "–"), ("LID", "–"), ("BIM", "with HFC"),
  ]  # fmt: skip


def test_columns_are_fields_or_what_is_said_of_a_row():
  record = types.SimpleNamespace(name="kd", n=3, auc=0.5, auc_low=0.4, auc_high=None, tpr=None)
  columns = {"Name": lambda row: row.name.upper(), "N": "n", "AUC": tables.interval("auc"),
             "TPR": "tpr"}  # fmt: skip
  table = tables.table("c", [record], columns, "note")
  assert (table.head, table.note) == (["Name", "N", "AUC", "TPR"], "note")
  assert table.rows == [["KD", "3", "50.0", "–"]]
  record.auc_high = 0.6
  assert tables.interval("auc")(record) == "50.0 [40–60]"


def test_curves_skip_what_is_not_there():
  rows = [
    row(r.detector, r.auc_within_class, r.weight_rule, eps=eps) for r in ROWS for eps in (1, 4)
  ]
  rows += [row("kd", 0.1, "other", eps=4)]
  chart = tables.area_chart("n", "t", rows, "eps", {1: 0, 4: 1}, x_label="x")
  points = [
    (line.label, line.style, [(x, y) for x, y in zip(line.x, line.y, strict=True) if y == y])
    for line in chart.lines
  ]
  assert points == [
    ("KD", "-", [(0, 90.0), (1, 90.0)]), ("MAHA", "-", [(0, 100.0), (1, 100.0)]),
    ("KD with HFC", ":", [(1, 10.0)]),
  ]  # fmt: skip
  assert chart.lines[0].color == chart.lines[2].color == tables.COLORS["kd"]
  assert set(tables.COLORS.values()) <= set(figures.PALETTE)


def test_a_finding_is_the_mean_of_each_attack():
  assert tables.means(ROWS, tables.weight_label) == (
    "Mean two-sided AUC within class of the detectors – –: 95.0\u202f%; auto (0.25): 80.0\u202f%."
  )


def test_a_detector_with_options_stands_under_its_text_beside_the_papers_figures_of_its_name():
  both = [row("kd", 0.9), row("kd(form=eq20)", 0.8)]
  assert list(tables.detector_table("c", both, HFC).head) == [
    "HFC", "KD", "KD(form=eq20)", "Adv. Acc",
  ]  # fmt: skip
  (printed,) = tables.papers_table("c", ("kd", "kd(form=eq20)"), setting="white_box",
                                   dataset="chest", attack="bim")  # fmt: skip
  assert list(printed.head)[2:4] == ["KD", "KD(form=eq20)"]
  assert printed.rows and all(line[2] == line[3] != "–" for line in printed.rows)
  places = {1: 0}
  rows = [row(each, 0.5, place=1) for each in ("kd", "kd(form=eq20)", "mgm")]
  chart = tables.area_chart("n", "t", rows, "place", places, x_label="x", x_ticks={})
  assert len({line.color for line in chart.lines}) == 3


def test_a_mean_carries_the_fewest_images_it_is_of():
  rows = [types.SimpleNamespace(auc=area, n_adversarial=n)
           for area, n in ((0.5, 90), (0.7, 25), (None, 2))]  # fmt: skip
  assert tables.means(rows, lambda row: "x", "AUC", "auc") == (
    "Mean AUC – x: 60.0\u202f% (n = 25)."
  )
