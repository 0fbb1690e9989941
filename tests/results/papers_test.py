import pytest

from hfc_tf.results import papers


def pairs(cell_filter=lambda cell: True):
  """(key, AUC, TPR@90) for every side of every table that prints both."""
  printed = {}
  for cell in papers.cells():
    if cell.setting == "white_box" and cell_filter(cell):
      for side in ("without", "with_hfc"):
        key = (cell.source, cell.dataset, cell.attack, cell.detector, side, cell.eps_256)
        printed.setdefault(key, {})[cell.metric] = getattr(cell, side)
  return [
    (key, metrics["auc"], metrics["tpr_at_90_tnr"])
    for key, metrics in printed.items()
    if "tpr_at_90_tnr" in metrics
  ]


@pytest.mark.parametrize(
  ("dataset", "attack", "detector", "source", "metric", "without", "with_hfc"),
  [
    ("chest", "bim", "kd", "MICCAI 2021, Table 2", "auc", 100, 73.1),
    ("chest", "pgd", "kd", "MICCAI 2021, Table 2", "tpr_at_90_tnr", 100, 50.5),
    ("fundus", "cw", "bu", "MICCAI 2021, Table 2", "auc", 93.0, 32.8),
    ("fundus", "mim", "dnn", "TMI, Table I", "auc", 100, 31.5),
    ("brain", "tim", "svm", "TMI, Table I", "tpr_at_90_tnr", 100, 34.5),
    ("fundus", "bim", "dnn", "MICCAI 2021, Table 4", "auc", 100, 43.8),
    ("chest", "bim", "maha", "TMI, Table IV", "auc", 95.4, 85.9),
    ("cifar10", "bim", "lid", "TMI, Table V", "auc", 80.8, 58.7),
  ],
)
def test_cells_by_value(dataset, attack, detector, source, metric, without, with_hfc):
  cells = [
    cell
    for cell in papers.cells(dataset=dataset, attack=attack, detector=detector, metric=metric)
    if cell.source == source
  ]
  assert (without, with_hfc) in [(cell.without, cell.with_hfc) for cell in cells]


def test_single_values():
  guide = papers.cells(setting="adaptive", dataset="chest", attack="guide_closest", detector="svm")[
    0
  ]
  assert (guide.value, guide.source) == (9.9, "MICCAI 2021, Table 3")
  lesions = [c for c in papers.cells() if c.lesion_size == "medium" and c.lesion_count == 1]
  assert sorted(c.value for c in lesions if c.metric == "auc") == [84.9, 94.8]
  stress = [c for c in papers.cells() if c.dataset == "fundus" and c.layer == 48]
  assert 2.048 in [c.value for c in stress]


def test_bim_on_chest_is_printed_with_three_figures():
  cells = papers.cells(dataset="chest", attack="bim", detector="kd", eps_256=1, metric="auc")
  assert [c.with_hfc for c in cells] == [
    73.1, 70.8, 70.8, 71.3,
  ]  # fmt: skip


def test_only_the_known_cell_is_impossible():
  # With TPR t at 90 % TNR the ROC curve covers at least 0.9 t and at most 0.9 + 0.1 t.
  # 0.05 is half of the last printed digit.
  low = [key for key, auc, tpr in pairs() if auc + 0.05 < 0.9 * (tpr - 0.05)]
  high = [key for key, auc, tpr in pairs() if auc - 0.05 > 90 + 0.1 * (tpr + 0.05)]
  assert low == [("TMI, Table I", "chest", "mim", "svm", "with_hfc", 1)]
  assert high == []


def test_every_table_is_there_and_complete():
  counts = {}
  for cell in papers.cells():
    counts[cell.source] = counts.get(cell.source, 0) + 1
  assert counts == {
    "MICCAI 2021, Table 1": 2 * 3 * 5,
    "MICCAI 2021, Table 2": 2 * 3 * (6 * 2 + 1),
    "MICCAI 2021, Table 3": 2 * 5 * 5,
    "MICCAI 2021, Table 4": 2 * 6,
    "TMI, Table I": 4 * ((6 + 6 + 5) * 2 + 3),
    "TMI, Table II": 2 * 5 * 6,
    "TMI, Table III": 8 * 8,
    "TMI, Table IV": 2 * 2 * 6,
    "TMI, Table V": 3 * 5,
    "TMI, Table VI": 9 * 4,
  }


def test_every_cell_says_something():
  for cell in papers.cells():
    assert cell.paper and cell.table and cell.metric
    assert (cell.value is None) != (cell.without is None and cell.with_hfc is None)
    assert papers.reference(cell.paper)


def test_stress_differences_follow_from_the_means():
  cells = [c for c in papers.cells() if c.setting == "stress"]
  value = {(c.dataset, c.layer, c.attack, c.metric): c.value for c in cells}
  for (dataset, layer, attack, metric), difference in value.items():
    if metric == "mean_activation_difference":
      normal = value[dataset, layer, None, "mean_activation"]
      assert abs(value[dataset, layer, attack, "mean_activation"] - normal) == pytest.approx(
        difference, abs=1e-9
      )


def test_remarks_name_tables_that_exist():
  sources = {cell.source for cell in papers.cells()}
  named = {table for entry in papers._file()["remarks"] for table in entry["tables"]}
  assert named <= sources
  assert any("46.7" in remark for remark in papers.remarks("TMI, Table I"))
  assert any("46.7" in remark for remark in papers.remarks("TMI, Table I", "chest", "mim"))
  assert not any("46.7" in remark for remark in papers.remarks("TMI, Table I", "chest", "pgd"))


def test_unknown_is_empty():
  assert papers.cells(dataset="chest", attack="no_such_attack") == []
