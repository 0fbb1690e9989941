import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import page, run
from benchmarks.process import Process, UnavailableError
from benchmarks.settings import Settings

ROOT = Path(__file__).parents[2]
FAKES = """
import numpy as np
class Fake:
  def __init__(self, job): self.job = job
  def check(self): return {"logits": np.zeros((2, 2)), "adversarials": np.ones((2, 4))}
  def run(self, steps):
    print("not an answer")
    if steps > 90: raise SystemExit("out of breath")
    return {"seconds": steps * self.job["factor"]}
def start(job): return Fake(job)
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
  """A module that a worker can start, beside the library."""
  (tmp_path / "fake_peer.py").write_text(FAKES)
  started = subprocess.Popen

  def popen(command, env, **settings):
    env["PYTHONPATH"] += f":{tmp_path}"
    return started(command, env=env, **settings)

  monkeypatch.setattr(subprocess, "Popen", popen)
  return {"module": "fake_peer", "factor": 0.5}


def test_a_process_answers_and_keeps_its_threads(fake, tmp_path):
  with Process(fake, threads=1) as process:
    answer = process.ask({"run": 4})
    assert answer["seconds"] == 2.0 and 0.005 < answer["peak_gib"] < 1
    process.ask({"check": str(tmp_path / "check.npz")})
    with np.load(tmp_path / "check.npz", allow_pickle=False) as arrays:
      assert arrays["adversarials"].shape == (2, 4)
    with pytest.raises(UnavailableError, match="ended: out of breath"):
      process.ask({"run": 91})


def test_what_is_missing_is_named(fake):
  with pytest.raises(UnavailableError, match="no_such_module is not installed"):
    Process(fake | {"module": "no_such_module"}, threads=1)
  with (
    pytest.raises(UnavailableError, match="KeyError: 'factor'"),
    Process({"module": "fake_peer"}, threads=1) as process,
  ):
    process.ask({"run": 1})
  with pytest.raises(UnavailableError, match="/no/such/python: No such file"):
    Process(fake, threads=1, python="/no/such/python")


def test_other_logits_or_other_steps_are_refused():
  reference = {"logits": np.zeros((1, 2)), "adversarials": np.zeros((1, 100))}
  run._compare(reference, reference)
  with pytest.raises(UnavailableError, match=r"logits differ by 0\.1,"):
    run._compare(reference, reference | {"logits": np.full((1, 2), 0.1)})
  other = np.zeros((1, 100))
  other[0, :11] = 1
  with pytest.raises(UnavailableError, match=r"89.0% of pixels"):
    run._compare(reference, reference | {"adversarials": other})


@pytest.mark.slow
def test_a_run_measures_what_it_can_and_names_the_rest(tmp_path):
  settings = Settings(
    only=("peak_memory_hfc_gib", "hfc_vs_plain_m64", "loop_vs_foolbox", "em_low_rank_minutes"),
    em_images=60,
    repeats=2,
    steps=1,
    model="small_resnet",
    image_size=32,
    batch_size=2,
    components=2,
    threads=1,
    peer_python={"foolbox": "/no/such/python"},
    out=str(tmp_path),
  )
  results = run.run(settings)
  rows = {row["figure"]: row for row in results["rows"]}
  narrow = {
    f"em_{name}_{what}_narrow"
    for name in ("low_rank", "diag", "full")
    for what in ("minutes", "log_likelihood")
  }
  assert set(rows) == narrow | {
    "peak_memory_hfc_gib", "hfc_vs_plain_m64", "em_low_rank_minutes", "em_low_rank_peak_gib",
    "em_low_rank_log_likelihood", "em_diag_log_likelihood", "em_diag_minutes",
  }  # fmt: skip
  assert set(rows["hfc_vs_plain_m64"]) == {"figure", "value", "low", "high", "goal", "better"}
  assert 0.1 < rows["peak_memory_hfc_gib"]["value"] < 4
  assert results["left_out"] == {
    "loop_vs_foolbox": "foolbox: /no/such/python: No such file or directory"
  }
  assert json.loads((tmp_path / "results.json").read_text()) == results
  with open(tmp_path / "results.csv", newline="") as file:
    assert [row["figure"] for row in csv.DictReader(file)] == list(rows)
  html = (tmp_path / "report.html").read_text()
  assert "loop_vs_foolbox is left out" in html and "hfc_vs_plain_m64" in html


def test_the_page_says_which_goals_are_reached(tmp_path):
  rows = [
    run.Row("loop_vs_torch_eager", 1.6, 1.5, 1.7, 1.5, "higher"),
    run.Row("hfc_vs_plain_m64", 1.2, 1.1, 1.3, 1.1, "lower"),
    run.Row("loop_gflops", 100.0, 90.0, 110.0, None, "higher"),
    *(run.Row(f"scaling_{axis}_{n}", n / 8, n / 9, n / 7, None, "lower")
      for axis in ("images", "taps", "components", "size") for n in (8, 16)),
  ]  # fmt: skip
  settings = Settings(out=str(tmp_path)).resolved()
  page.write(settings, rows, {}, 1.0, ["bin/benchmark"])
  html = (tmp_path / "report.html").read_text()
  assert "1 of 2 goals are reached. Not reached: hfc_vs_plain_m64 (1.20, goal ≤ 1.1)." in html
  assert {path.name for path in (tmp_path / "figures").iterdir()} == {
    "ratios.png", "rates.png", "scaling.png",
  }  # fmt: skip


def test_an_unknown_figure_is_one_line():
  done = subprocess.run(
    [sys.executable, ROOT / "bin" / "benchmark", "--only=speed"],
    capture_output=True,
    text=True,
    cwd=ROOT,
    env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    timeout=120,
  )
  last = done.stderr.strip().split("\n")[-1]
  assert done.returncode == 2 and last.startswith("expected figures among loop_vs_torch_eager")
  assert "found 'speed'" in last
