"""The wheel as somebody has it who installed it: away from any checkout."""

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
  # A copy is built, since setuptools puts what an earlier build left behind into the wheel.
  copy = tmp_path_factory.mktemp("source")
  for name in ("pyproject.toml", "README.md", "LICENSE"):
    shutil.copy(ROOT / name, copy)
  for package in ("hfc_tf", "benchmarks", "tests"):
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / package, copy / package, ignore=ignored)
  command = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", copy / "dist", copy]
  pip(*command)
  (built,) = (copy / "dist").glob("hfc_tf-*.whl")
  return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
  target = tmp_path_factory.mktemp("installed")
  pip("install", "--no-deps", "--target", target, wheel)
  return target


def pip(*arguments):
  done = subprocess.run(
    [sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, timeout=300
  )
  assert done.returncode == 0, done.stderr


def run(target, name, *arguments, cwd):
  environment = os.environ | {"PYTHONPATH": str(target), "TF_CPP_MIN_LOG_LEVEL": "3"}
  return subprocess.run(
    [target / "bin" / name, *arguments],
    capture_output=True, text=True, env=environment, cwd=cwd, timeout=500,
  )  # fmt: skip


def test_it_holds_the_library_with_its_data_and_nothing_else(wheel):
  names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
  there = (p.relative_to(ROOT) for p in (ROOT / "hfc_tf").rglob("*") if p.is_file())
  assert names == {str(path) for path in there if "__pycache__" not in path.parts}
  assert {"hfc_tf/py.typed", "hfc_tf/results/papers.json", "hfc_tf/report/page.html"} <= names


def test_every_command_is_there_and_answers_within_a_second(installed, tmp_path):
  commands = {path.name for path in (ROOT / "bin").iterdir()} - {"benchmark"}
  assert {path.name for path in (installed / "bin").iterdir()} == commands
  for name in commands:
    assert run(installed, name, "--help", cwd=tmp_path).stdout.count("--out:") == 1, name
  for argument, code in (("--help", 0), ("--misspelt", 2)):
    seconds = []
    for _ in range(3):  # the machine may be busy
      begun = time.monotonic()
      assert run(installed, "run_attack", argument, cwd=tmp_path).returncode == code
      seconds.append(time.monotonic() - begun)
    assert min(seconds) < 1, argument


@pytest.mark.slow
def test_it_attacks(installed, tmp_path):
  done = run(
    installed, "run_attack", "--hfc", "--hfc_weight=1", "--image_size=16", "--num_images=400",
    "--epochs=6", "--min_accuracy=0", "--eps=16", "--steps=4", "--components=2", "--detectors=kd",
    cwd=tmp_path,
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  assert "report: out/report.html" in done.stdout
  results = json.loads((tmp_path / "out" / "results.json").read_text())
  assert {row["hfc"] for row in results["rows"]} == {False, True}
  assert Path(results["command"][0]) == installed / "bin" / "run_attack"
