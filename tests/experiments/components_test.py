import numpy as np
import pytest

from hfc_tf.errors import InputError
from hfc_tf.experiments import components
from hfc_tf.results import papers
from tests.experiments import shared


def test_experiment():
  config = shared.config(hfc_weights=("1",), detectors=("kd", "maha"))
  results = shared.run(components, config, (1, 2, 4096))
  rows = results["rows"]
  assert [(r["components"], r["detector"]) for r in rows] == [
    (count, name) for count in (None, 1, 2) for name in ("kd", "maha")
  ]
  assert any("more components than that are left out" in text for text in results["warnings"])
  hidden = {r["components"]: r for r in rows if r["detector"] == "maha"}
  assert hidden[1]["hfc_weight"] == hidden[2]["hfc_weight"] == 1.0 and not hidden[None]["hfc"]
  # The densities differ, and so do the images.
  kinds = {(r["components"], r["detector"]): r["auc"] for r in rows}
  areas = {tuple(kinds[count, name] for name in ("kd", "maha")) for count in (None, 1, 2)}
  assert len(areas) == 3
  for entry in results["pooled"]:  # beside the papers' columns, which are of pooled AUCs
    areas = [r["auc"] for r in rows if r["components"] == entry["components"]]
    assert entry["auc_average"] == pytest.approx(np.mean(areas))
    assert entry["auc_maximum"] == max(areas)
  assert [entry["components"] for entry in results["pooled"]] == [None, 1, 2]
  (pair,) = results["pairs"]
  assert (pair["what"], pair["first"], pair["second"]) == ("components", "2", "1")
  assert pair["low"] <= pair["difference"] <= pair["high"]
  page = shared.page(results)
  assert f"({100 * results['pooled'][1]['auc_average']:.1f})" in page
  assert "Average" in page and "TMI, Table III" not in page  # the papers' table is of fundus


def test_average_and_maximum_of_the_papers_own_rows():
  names = ("kd", "maha", "lid", "svm", "dnn", "bu")
  for count in components.COMPONENTS:
    cells = papers.cells(setting="components", dataset="fundus", components=count)
    areas = [cell.with_hfc for cell in cells if cell.metric == "auc" and cell.detector in names]
    (average,) = (cell.with_hfc for cell in cells if cell.metric == "auc_average")
    (maximum,) = (cell.with_hfc for cell in cells if cell.metric == "auc_maximum")
    assert len(areas) == len(names) and maximum == max(areas)
    if count == 8:  # the one misprint, which the page names
      assert (round(np.mean(areas), 1), average) == (52.1, 57.8)
    else:
      assert average == pytest.approx(np.mean(areas), abs=0.17)


def test_another_aim_is_refused():
  with pytest.raises(InputError, match="--aim=mode"):
    shared.run(components, shared.config(aim="typical"))
