"""The main experiment, small: what it writes, what it must not see, what a kill must not change."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from hfc_tf.experiments import detection
from hfc_tf.report.page import command
from hfc_tf.results.result import read_section
from hfc_tf.study.config import Config
from tests.experiments import shared

ROOT = pathlib.Path(__file__).parents[2]
SMALL = {
  "num_images": 300,
  "image_size": 32,
  "epochs": 3,
  "components": 2,
  "steps": 3,
  "eps_256": 8.0,
  "hfc": True,
  "hfc_weights": ("1", "balanced"),
  "detectors": ("kd", "maha", "bu"),
  "min_accuracy": 0.0,
  "batch_size": 16,
}
ROW_NAMES = """
  attack hfc hfc_weight eps_256 step_size_256 steps detector auc auc_low auc_high auc_within_class
  auc_two_sided tpr_at_90_tnr tpr_at_90_tnr_test_threshold adv_acc adv_acc_low adv_acc_high
  adv_acc_8bit n_adversarial n_clean auc_within_class_two_sided auc_within_class_two_sided_low
  auc_within_class_two_sided_high by_class
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
  out = tmp_path_factory.mktemp("study")
  return out, shared.run(detection, Config(**SMALL, out=str(out)))


def test_results_have_the_documented_form(finished):
  out, results = finished
  assert json.loads((out / "results.json").read_text())["rows"] == results["rows"]
  assert {"schema", "config", "environment", "timing", "data", "classifier", "rows"} <= set(results)
  assert results["data"]["source"] == "synthetic"
  for row in results["rows"]:
    assert set(row) >= set(ROW_NAMES.split())
    assert row["steps"] == 3 and row["step_size_256"] == pytest.approx(16 / 3)
  forms = {(row["hfc"], row["weight_rule"]) for row in results["rows"]}
  assert forms == {(False, None), (True, "paper"), (True, "balanced")}
  energies = results["energies"]["bim"]
  assert {"clean", "attack"} <= set(energies) <= {"clean", "attack", "paper", "balanced"}
  assert all(value > 0 for layers in energies.values() for value in layers.values())
  for name in ("results.csv", "config.json", "split.json", "report.html"):
    assert (out / name).stat().st_size > 0
  assert list((out / "figures").glob("*.png"))
  page = (out / "report.html").read_text()
  assert "synthetic" in page and "http://" not in page.replace("http://www.w3.org", "")


def test_other_pages_find_a_section_with_its_pictures(finished):
  out, results = finished
  section = read_section(out)
  assert section.title == "Detectors against BIM" and section.command == command(results)
  assert {f"{figure.name}.png" for figure in section.figures} == {
    path.name for path in (out / "figures").iterdir()
  }
  caught, table, success, *details, classes = section.tables
  assert caught.head == ["Detector", "without HFC", "HFC, paper", "HFC, balanced"]
  chosen = {(r["detector"], r["weight_rule"]): r for r in results["rows"]
            if r["population"] == "successful"}  # fmt: skip
  row = chosen["maha", "balanced"]
  assert caught.rows[1][0] == "MAHA" and caught.rows[1][3] == (
    f"{100 * row['tpr_at_90_tnr']:.0f} ({100 * row['evasion_rate']:.0f})"
  )
  assert table.head == ["Attack", "HFC", "KD", "MAHA", "BU", "Adv. Acc"]
  assert [line[:2] for line in table.rows] == [
    ["BIM", "–"], ["BIM", "paper (1)"], ["BIM", "balanced"],
  ]  # fmt: skip
  areas = {
    row["detector"]: 100 * row["auc_within_class"]
    for row in results["rows"]
    if row["weight_rule"] == "paper" and row["population"] == "successful"
  }
  assert [float(cell.split()[0]) for cell in table.rows[1][2:5]] == pytest.approx(
    list(areas.values()), abs=0.051
  )
  assert [line[3] for line in success.rows] == [line[1] for line in table.rows]
  hidden = [line for line in details[0].rows if line[2] == "paper (1)"]
  assert [float(line[3].split()[0]) for line in hidden] == pytest.approx(
    list(areas.values()), abs=0.051
  )
  assert classes.folded and {line[4] for line in classes.rows} <= {"normal", "pneumonia"}
  assert [row["hfc"] for row in results["best_layers"]] == [False, True, True]
  assert "Of single layers, most is seen without HFC by " in section.lead[-1]
  assert [row["auc"] for row in results["sanity"]] == [None] * 3  # drawn with one channel
  assert details[1].caption.startswith("Only images that the attack moves without HFC and at every")


def test_train_and_both_parts_of_test_do_not_overlap(finished):
  split = json.loads((finished[0] / "split.json").read_text())
  subsets = [set(split[subset]) for subset in ("train", "adv_train", "adv_test")]
  for index, subset in enumerate(subsets):
    assert subset and not any(subset & other for other in subsets[index + 1 :])
  assert subsets[1] | subsets[2] <= set(split["test"])


def test_a_rerun_reads_what_is_there_and_gives_the_same_rows(finished):
  out, results = finished
  before = {path: path.stat().st_mtime_ns for path in (out / "artefacts").rglob("*.npz")}
  again = shared.run(detection, Config(**SMALL, out=str(out)))
  assert again["rows"] == results["rows"]
  assert {path: path.stat().st_mtime_ns for path in before} == before


def _command(out):
  flags = {
    **{name: SMALL[name] for name in ("num_images", "image_size", "epochs", "components", "steps")},
    "eps": 8,
    "hfc_weight": "1",
    "detectors": "kd,maha,bu",
    "min_accuracy": 0,
    "batch_size": 16,
    "out": out,
  }
  return [
    sys.executable,
    str(ROOT / "bin" / "run_attack"),
    "--hfc",
    *(f"--{name}={value}" for name, value in flags.items()),
  ]


def _artefacts(out):
  return {
    str(path.relative_to(out)): json.loads(path.read_text())["files"]
    for path in sorted(out.rglob("artefacts/*/*/manifest.json"))
    if path.parts[-3] != "classifier"  # a .keras file holds the date it was written on
  }


@pytest.mark.slow
def test_killed_runs_end_like_an_undisturbed_one(tmp_path):
  environment = {**os.environ, "PYTHONPATH": str(ROOT)}
  subprocess.run(_command(tmp_path / "calm"), env=environment, check=True, capture_output=True)
  for wanted in ("training", "adversarials"):
    run = subprocess.Popen(
      _command(tmp_path / "killed"),
      env=environment,
      stdout=subprocess.DEVNULL,
      stderr=subprocess.DEVNULL,
    )
    while run.poll() is None and not list((tmp_path / "killed").glob(f"artefacts/{wanted}/*")):
      time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
  ended = subprocess.run(_command(tmp_path / "killed"), env=environment, capture_output=True)
  assert ended.returncode == 0, ended.stderr.decode()[-2000:]
  rows = [
    json.loads((tmp_path / name / "results.json").read_text())["rows"]
    for name in ("calm", "killed")
  ]
  assert rows[0] == rows[1]
  calm, killed = (_artefacts(tmp_path / name) for name in ("calm", "killed"))
  assert calm == killed
