import json
import pathlib

import pytest

from hfc_tf.experiments import classifiers
from hfc_tf.results import papers
from hfc_tf.results.rows import ClassifierRow
from hfc_tf.study.config import Config
from tests.experiments import shared


@pytest.fixture(scope="module")
def results():
  return shared.run(classifiers, shared.config(), ["chest", "fundus"])


def test_one_row_a_data_set(results):
  assert [row["dataset"] for row in results["rows"]] == ["chest", "fundus"]
  for row in results["rows"]:
    assert row["source"] == "synthetic" and row["train"] == 240 and row["test"] == 60
    assert row["auc_low"] <= row["auc"] <= row["auc_high"]
    assert row["lowest_recall"] <= row["accuracy"]
    assert row["auc_paper"] is None  # they trained no such network


def test_a_classifier_is_good_where_it_learnt_and_bad_elsewhere(results):
  chest, fundus = results["rows"]
  assert chest["accuracy"] > 0.7 and chest["auc"] > 0.7
  assert fundus["accuracy"] < chest["accuracy"] and fundus["auc_low"] < chest["auc_low"]


def test_the_page(results):
  text = shared.page(results)
  assert "chest X-rays (papers)" in text and "96.5" in text and "91.4" in text
  assert "fundus images" in text and "synthetic" in text and 'src="data:image/png' in text
  assert "model.keras" in text and "may have been trained on AdvTest" in text
  assert json.loads(pathlib.Path(results["config"]["out"], "results.json").read_text()) == results


def test_brain_stands_in_the_papers_lines():
  row = ClassifierRow("brain", "synthetic", "resnet18_3d", 32, 8, 2, 0.75, None, 0.7, 0.5, None,
                      None, None, None)  # fmt: skip
  theirs = classifiers._table([row]).rows[1]
  assert theirs[:2] == ["brain (papers)", "ResNet-18 (3D)"] and theirs[5] == "83.2"
  assert theirs[2] == "270" and theirs[-1] == "–"  # no AUC is told


def test_papers_figures():
  assert papers.AUC["chest", "vgg16"] == 0.965
  assert papers.ACCURACY["chest", "resnet50"] == pytest.approx(0.914, abs=5e-4)


def test_what_belongs_to_one_data_set_is_not_taken_for_another(tmp_path):
  files = {"split": "split.json", "model_path": "mine.keras", "groups": "patients.csv"}
  for name in files.values():
    (tmp_path / name).touch()
  config = Config(
    dataset="folder", data_dir=str(tmp_path), classes=("b", "a"), image_size=48,
    **{field: str(tmp_path / name) for field, name in files.items()},
  )  # fmt: skip
  same = classifiers._one(config, "folder:32", None)
  assert (same.data_dir, same.split, same.classes, same.image_size) == (
    config.data_dir, config.split, ("b", "a"), 32,
  )  # fmt: skip
  other = classifiers._one(config, f"cifar10={tmp_path}", "vgg16")
  assert (other.data_dir, other.model, other.image_size) == (str(tmp_path), "vgg16", 48)
  assert not any((other.split, other.model_path, other.classes, other.groups))
