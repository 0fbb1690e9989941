import types

from hfc_tf.results.by_class import class_tables
from hfc_tf.results.rows import ClassArea


def row(population="successful", **more):
  areas = [ClassArea(0, 0.047, 25, 30, False), ClassArea(3, None, 9, 30, True)]
  return types.SimpleNamespace(**{
    "detector": "kd", "attack": "bim", "eps_256": 4.0, "weight_rule": "paper", "hfc_weight": 1.0,
    "population": population, "by_class": areas, **more,
  })  # fmt: skip


def test_a_line_a_class_folded_away():
  (table,) = class_tables([row(), row("both_arms")], ["normal", "ill"])
  assert table.folded and "left out there: 3." in table.note
  assert table.head == ["Detector", "Attack", "ε (1/256)", "HFC", "Class", "AUC", "Adversarials",
                        "Clean"]  # fmt: skip
  assert table.rows == [
    ["KD", "BIM", "4", "paper (1)", "normal", "4.7", "25", "30"],
    ["KD", "BIM", "4", "paper (1)", "3", "left out", "9", "30"],
  ]


def test_rows_of_several_layers_or_images_are_told_apart():
  (table,) = class_tables([row(layer_name="conv1"), row(layer_name="conv2")], ["normal"])
  assert [line[4] for line in table.rows] == ["conv1", "conv1", "conv2", "conv2"]
  natural = row(domain="natural", dataset="cifar10")
  (table,) = class_tables([natural], ["normal"])
  assert [line[4:6] for line in table.rows] == [["CIFAR-10", "0"], ["CIFAR-10", "3"]]


def test_rows_without_classes_have_no_table():
  assert list(class_tables([], [])) == list(class_tables([types.SimpleNamespace(auc=1)], [])) == []
