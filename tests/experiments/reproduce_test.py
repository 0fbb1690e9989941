import dataclasses
import importlib
import inspect
import json
import pathlib
import re

import pytest

from hfc_tf.errors import InputError
from hfc_tf.experiments import EXPERIMENTS, PAPERS_ATTACKS, reproduce
from hfc_tf.experiments.natural import Natural
from hfc_tf.report import write
from hfc_tf.results.result import Result, Table
from hfc_tf.study.config import Config
from tests.experiments import shared

SMALL = {"attacks": ("bim",), "hfc_weights": ("1",), "detectors": ("maha",)}


@pytest.fixture
def small(monkeypatch, tmp_path):
  """The configuration, and experiments whose defaults take no longer than need be."""
  for name in ("layers", "components", "detection"):
    defaults = {**EXPERIMENTS[name].defaults, **SMALL}
    monkeypatch.setitem(EXPERIMENTS, name, EXPERIMENTS[name]._replace(defaults=defaults))
  return shared.config(out=str(tmp_path))


def test_what_is_there_is_not_made_again(small, tmp_path):
  first = reproduce.run(small, write, ["layers", "detection"])
  assert first["experiments"] == {"detection": "made", "layers": "made"}
  made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/results.json")}
  second = reproduce.run(small, write, ["layers", "detection"])
  assert set(second["experiments"].values()) == {"there already"}
  assert {path: path.stat().st_mtime_ns for path in made} == made and len(made) == 2
  # The artefacts are shared: one density, one folder of attacks.
  assert len(list((tmp_path / "artefacts" / "density").iterdir())) == 1
  page = (tmp_path / "report.html").read_text()
  assert "What was run." in page and "Detection by layer" in page and "synthetic" in page
  names = {path.name for path in (tmp_path / "figures").iterdir()}
  assert {"3_roc_bim.png", "3_tsne_bim.png", "4_layers.png"} <= names
  assert page.count('src="data:image/png') == len(names)
  assert json.loads((tmp_path / "results.json").read_text())["rows"] == second["rows"]
  (seen,) = [row for row in second["rows"] if row["claim"].startswith("Without HFC")]
  assert seen["verdict"] != "not tested" and "n = " in seen["numbers"] and seen["differs"]
  assert "Results known when the rule was written" in page
  # Another question is another task.
  task = reproduce.plan(dataclasses.replace(small, seed=1), ["layers"], None)[0]
  assert not task.done()


def test_damage_is_noticed_named_and_made_again(small, tmp_path, caplog):
  (task,) = reproduce.plan(small, ["layers"], None)
  assert not task.done()
  reproduce.run(small, write, ["layers"])
  assert task.done() and "damaged" not in caplog.text
  folder = tmp_path / "layers"
  for name in ("results.json", "section.json", "figures/layers.png", "asked.json"):
    whole = (folder / name).read_bytes()
    for damaged in (whole[:-2], b"", b"[]", None):
      (folder / name).unlink()
      if damaged is not None:
        (folder / name).write_bytes(damaged)
      caplog.clear()
      assert not task.done()
      # Without the mark of the end a folder is merely unfinished.
      assert (damaged, name) == (None, "asked.json") or str(folder) in caplog.text
    (folder / name).write_bytes(whole)
  (folder / "results.json").write_text("{")
  again = reproduce.run(small, write, ["layers"])
  assert again["experiments"] == {"layers": "made"} and task.done()


TYPED = {
  "attacks": ("pgd",), "detectors": ("maha",), "hfc_weights": ("0.5",), "eps_256": 1.0,
  "steps": 3, "image_size": 24, "components": 2, "precision": "bfloat16", "seed": 4,
}  # fmt: skip


def test_what_was_typed_holds_in_every_experiment(caplog):
  for task in reproduce.plan(Config(**TYPED), [], None):
    assert {field: getattr(task.config, field) for field in TYPED} == TYPED, task.name
  # Also where it is the common default.
  plain = {task.name: task.config for task in reproduce.plan(Config(), [], None)}
  typed = {task.name: task.config for task in reproduce.plan(Config(), [], None, ["attacks"])}
  assert len(plain["gradient_direction"].attacks) == 5
  assert typed["gradient_direction"].attacks == typed["detection"].attacks == ("bim",)
  # All of Tables 2 and I, where nobody named an attack.
  assert plain["detection"].attacks == plain["volumes"].attacks == PAPERS_ATTACKS
  assert [record.getMessage() for record in caplog.records] == [
    "stress_test attacks layers by BIM at 8/256 and 1/256, whatever attacks, eps_256, steps says",
    "medical_natural attacks natural images at 8/256 and 16/256, whatever eps_256 says",
    "stress_test attacks layers by BIM at 8/256 and 1/256, whatever attacks says",
  ]


def test_the_papers_setting_beats_the_experiments_defaults_but_for_budgets_and_sides():
  typed = {"setting": "papers", "max_adv_train": 9, "weights": "resnet50=imagenet"}
  tasks = reproduce.plan(Config(**typed), [], None, typed)
  plans = {task.name: task.config.resolved() for task in tasks}
  budget, through, volumes = (plans[n] for n in ("budget", "semi_white_box", "volumes"))
  assert (budget.hfc_weights, budget.eps_256, budget.fixed) == (("1",), 1.0, "step")
  assert (budget.image_size, budget.max_adv_train) == (256, 9)
  assert (through.eps_256, through.steps, through.step_size_256) == (4.0, 400, pytest.approx(0.02))
  assert (volumes.image_size, volumes.model, volumes.weights) == (32, "resnet18_3d", None)


@pytest.mark.parametrize(
  ("name", "changes", "taken"),
  [
    ("volumes", {"dataset": "fundus"}, {"dataset": "brain"}),
    ("volumes", {"data_dir": "chest"}, {"data_dir": None}),
    ("volumes", {"image_size": 224}, {"image_size": 32}),
    ("components", {"aim": "typical"}, {"aim": "mode"}),
    ("layers", {"attacks": ("pgd", "mim")}, {"attacks": ("pgd",)}),
    ("budget", {"hfc": False}, {"hfc": True}),
  ],
)
def test_what_cannot_be_obeyed_is_one_line(caplog, name, changes, taken):
  config = Config(**changes)
  (task,) = reproduce.plan(config, [name], None, changes)
  assert {field: getattr(task.config, field) for field in taken} == taken
  ((field, value),) = taken.items()
  assert [record.getMessage() for record in caplog.records] == [
    f"{name} cannot be made with all flags: it takes {field}={value}"
  ]


def test_volumes_of_the_users_own():
  config = Config(dataset="volumes", data_dir="scans", image_size=48)
  (task,) = reproduce.plan(config, ["volumes"], None)
  assert (task.config.dataset, task.config.data_dir, task.config.image_size) == (
    "volumes", "scans", 48,
  )  # fmt: skip
  given = dataclasses.replace(config, model_path="theirs.keras")  # whose side is not 32
  (task,) = reproduce.plan(given, ["volumes"], None, ["dataset", "data_dir", "model_path"])
  assert task.config.image_size == 48


def test_one_page_of_two_data_sets(monkeypatch, tmp_path):
  real = tmp_path / "real"
  real.mkdir()

  def made(task, write):
    config = task.config
    source = "directory" if config.data_dir else "synthetic"
    write(Result(
      name="layers", config=config, rows=[], title="A layer",
      summary={"data": {"name": config.dataset, "source": source}, "warnings": []},
      tables=[Table("What it shows.", ["A"], [["1"]])],
    ))  # fmt: skip

  monkeypatch.setattr(reproduce.Task, "run", made)
  config = Config(out=str(tmp_path / "out"))
  results = reproduce.run(config, write, ["layers"], datasets=["chest", f"fundus={real}"])
  assert results["experiments"] == {"chest/layers": "made", "fundus/layers": "made"}
  assert results["data"] == {"name": "chest, fundus", "source": "mixed"}
  assert "drawn by a program: chest/layers." in results["warnings"][0]
  assert {line["images"] for line in results["rows"]} == {"chest", "fundus"}
  page = (tmp_path / "out" / "report.html").read_text()
  assert "chest: Detection by layer" in page and "fundus: Detection by layer" in page
  # Each section with the command that makes it; what is drawn says so, what is not does not.
  assert f"--data_dir={real}" in page and page.count("bin/run_layers") >= 2
  captions = re.findall(r"<caption>(.*?)</caption>", page)
  assert captions[-2:] == ["Synthetic. What it shows.", "What it shows."]


def test_attacks_that_fit_the_time_are_made(small, monkeypatch, caplog):
  several = {**EXPERIMENTS["detection"].defaults, "attacks": ("bim", "pgd", "cw")}
  entry = EXPERIMENTS["detection"]._replace(defaults=several, minutes=10.0)
  monkeypatch.setitem(EXPERIMENTS, "detection", entry)
  (task,) = reproduce.plan(small, ["detection"], None)
  assert task.minutes == 20 and task.within(25) is task
  assert task.within(16).config.attacks == ("bim", "pgd")
  assert task.within(9) is task  # nothing fits
  (chosen,) = reproduce.plan(small, ["detection"], None, ["attacks"])
  assert not chosen.shortens
  made = []
  monkeypatch.setattr(reproduce.Task, "run", lambda self, write: made.append(self.config.attacks))
  monkeypatch.setattr(reproduce, "_result", lambda config, tasks, state: dict(state))
  states = reproduce.run(small, lambda result: result, ["detection"], budget_minutes=12)
  assert made == [("bim",)] and "there is time for BIM alone" in caplog.text
  assert states["detection"] == "made, with BIM alone: no time for the papers' other attacks"


def test_time_that_is_not_there(small):
  results = reproduce.run(small, write, ["layers", "components"], budget_minutes=0.0)
  assert all(state.startswith("left out") for state in results["experiments"].values())
  assert {row["verdict"] for row in results["rows"]} == {"not tested"}


def test_a_failure_is_told_and_the_rest_goes_on(small, monkeypatch):
  defaults = {**EXPERIMENTS["layers"].defaults, "detectors": ("svm",)}
  monkeypatch.setitem(EXPERIMENTS, "layers", EXPERIMENTS["layers"]._replace(defaults=defaults))
  results = reproduce.run(small, write, ["layers", "detection"])
  assert results["experiments"]["layers"].startswith("failed: expected a detector with scores")
  assert results["experiments"]["detection"] == "made"


def test_a_fault_is_raised_when_all_else_is_made(small, monkeypatch):
  def run(task, write):
    if task.name == "layers":
      raise ValueError("shapes differ")

  states = []
  monkeypatch.setattr(reproduce.Task, "run", run)
  monkeypatch.setattr(reproduce, "_result", lambda config, tasks, state: states.append({**state}))
  with pytest.raises(ValueError, match="shapes differ"):
    reproduce.run(small, lambda result: result, ["layers", "detection", "components"])
  assert states[-1] == {
    "detection": "made", "layers": "failed: ValueError: shapes differ", "components": "made",
  }  # fmt: skip


def test_plan():
  tasks = {task.name: task for task in reproduce.plan(shared.config(), [], Natural("cifar"))}
  # Two starts cannot be compared where --weights names none.
  assert list(tasks) == [name for name in EXPERIMENTS if name != "pretraining"]
  assert {task.config.artefacts for task in tasks.values()} == {
    str(pathlib.Path(shared.config().out) / "artefacts")
  }
  assert len({task.config.out for task in tasks.values()}) == len(tasks)
  brain = tasks["volumes"].config
  assert (brain.dataset, brain.model_path, brain.split) == ("brain", None, None)
  assert tasks["medical_natural"].options["natural"].data_dir == "cifar"
  assert tasks["stress_test"].options["natural"].data_dir == "cifar"
  assert tasks["gradient_direction"].options["natural"].data_dir == "cifar"
  assert tasks["layers"].options == {}


def test_two_starts_are_compared_where_one_is_given(tmp_path):
  given = Config(weights="imagenet", out=str(tmp_path))
  assert "pretraining" in [task.name for task in reproduce.plan(given, [], None)]


def test_unknown_names():
  with pytest.raises(InputError, match="found nope"):
    reproduce.plan(shared.config(), ["nope"], None)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_can_be_run_and_has_an_executable(name):
  parameters = inspect.signature(importlib.import_module(EXPERIMENTS[name].module).run).parameters
  assert next(iter(parameters)) == "config"
  assert all(p.default is not p.empty for p in list(parameters.values())[1:])
  binary = "run_attack" if name == "detection" else f"run_{name}"
  assert (pathlib.Path(__file__).parents[2] / "bin" / binary).is_file()
