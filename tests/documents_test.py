"""What the documents tell a reader to run is run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def code_blocks(language: str) -> list[str]:
  return re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  """What README's blocks name: a model, images with and without a folder a class, a split."""
  place = tmp_path_factory.mktemp("reader")
  labels = np.arange(240) % 2
  rng = np.random.default_rng(0)
  images = rng.uniform(0.2, 0.8, (240, 16, 16, 1)) + 0.05 * labels[:, None, None, None]
  images = np.rint(255 * images).astype(np.uint8)
  for index, (image, label) in enumerate(zip(images, labels, strict=True)):
    path = place / "my_images" / "ab"[label] / f"{index}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image[..., 0]).save(path)
  names = [f"{'ab'[label]}/{index}.png" for index, label in enumerate(labels)]
  (place / "split.json").write_text(json.dumps({"train": names[:80], "test": names[80:]}))
  np.save(place / "images.npy", images.astype(np.float32) / 255)
  np.save(place / "labels.npy", labels)
  model = keras.Sequential([
    keras.Input((16, 16, 1)), keras.layers.Conv2D(4, 1, activation="relu"),
    keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2),
  ])  # fmt: skip
  model.set_weights([  # the mean brightness is the class
    np.ones((1, 1, 1, 4)), np.zeros(4), np.tile([-10.0, 10.0], (4, 1)), np.array([21.0, -21.0]),
  ])  # fmt: skip
  model.save(place / "mine.keras")
  return place


def run(command, place):
  environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{ROOT}/bin:{os.environ['PATH']}"}
  environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
  done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr[-2000:]
  return done.stdout


def test_readme_example_runs_as_it_stands(folder):
  (example,) = code_blocks("python")
  shown = "print(abs(adversarials - images[:8]).max() <= 1 / 256 + 1e-6, adversarials.shape)"
  assert run([sys.executable, "-c", f"{example}\n{shown}"], folder) == "True (8, 16, 16, 1)\n"


def test_readme_command_for_own_images_runs_as_it_stands(folder):
  (command,) = [block for block in code_blocks("bash") if "mine.keras" in block]
  small = " --image_size=16 --steps=5 --detectors=kd,maha --components=1 --eps=8"
  assert "report: out/report.html" in run(
    ["bash", "-c", command.strip().removeprefix("bin/") + small], folder
  )
  rows = json.loads((folder / "out" / "results.json").read_text())["rows"]
  assert {row["detector"] for row in rows} == {"kd", "maha"}


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run(path, tmp_path):
  cells = json.loads(path.read_text())["cells"]
  code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
  shown = run([sys.executable, "-c", code], tmp_path)
  areas = [float(area) for area in re.findall(r"AUC of the detector ([\d.]+)", shown)]
  assert len(areas) >= 2 and areas[0] > 0.9 and max(areas[1:]) < 0.7, shown
