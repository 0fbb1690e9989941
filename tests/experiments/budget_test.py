import dataclasses
import functools
import pathlib

import pytest

from hfc_tf import models
from hfc_tf.errors import InputError
from hfc_tf.experiments import budget, common
from tests.experiments import shared


def test_experiment():
  config = shared.config(hfc_weights=("1",), detectors=("kd", "maha"), grid="float")
  results = shared.run(budget, config, budgets_256=[16.0, 0.001, 8.0])
  rows = results["rows"]
  assert [(r["eps_256"], r["hfc"], r["detector"]) for r in rows] == [
    (eps, hfc, name) for eps in (8.0, 16.0) for hfc in (False, True) for name in ("kd", "maha")
  ]
  # The number of steps stays, the step grows.
  assert {(r["eps_256"], r["steps"], r["step_size_256"]) for r in rows} == {
    (8.0, 4, 4.0),
    (16.0, 4, 8.0),
  }
  plain = {r["eps_256"]: r["adv_acc"] for r in rows if not r["hfc"]}
  assert 0 < plain[8.0] <= plain[16.0]
  # Nothing is hidden: a budget that fools nobody is named.
  assert any("0.001/256 is left out" in warning for warning in results["warnings"])
  assert {row["model"] for row in rows} == {"model.keras"}  # no name of what was not attacked
  assert (pathlib.Path(results["config"]["out"]) / "figures" / "budget_given.png").is_file()
  assert [(r["hfc"], r["first_eps_256"], r["second_eps_256"]) for r in results["pairs"]] == [
    (False, 16.0, 8.0), (True, 16.0, 8.0),
  ]  # fmt: skip
  page = shared.page(results)
  assert "At every budget there are 4 steps" in page
  assert "Detection over the budget" in page and "dotted with HFC" in page


def test_budgets_that_files_do_not_have_are_refused_or_left_out():
  config = shared.config(hfc_weights=("1",), detectors=("maha",), eps_256=4.0)
  with pytest.raises(InputError, match=r"a whole number of grey levels .*found 0\.5/256"):
    budget.run(config, budgets_256=[4.0, 0.5])
  study, _ = common.hfc_study(dataclasses.replace(config, eps_256=2.0))
  assert common.budgets(study, (), budget.FRACTIONS) == [1.0, 2.0, 4.0]
  assert "Budgets of 0.5/256 do not exist in files of 8 bits: left out." in study.warnings


def test_a_fixed_step_takes_more_steps_within_larger_budgets():
  config = shared.config(hfc_weights=("1",), detectors=("maha",), fixed="step", eps_256=8.0)
  results = shared.run(budget, config, budgets_256=[8.0, 12.0, 16.0])
  assert {(r["eps_256"], r["steps"], r["step_size_256"]) for r in results["rows"]} == {
    (8.0, 4, 4.0), (12.0, 6, 4.0), (16.0, 8, 4.0),
  }  # fmt: skip
  assert "At every budget the step is 4/256" in shared.page(results)


def test_two_backbones_each_train_at_their_own_rate_and_have_their_own_charts(
  thin_models, monkeypatch
):
  thin = functools.partial(models.MODELS["resnet18"], widths=(8, 16))
  monkeypatch.setitem(models.MODELS, "resnet18", thin)
  config = shared.config(
    model_path=None, model="small_resnet", hfc_weights=("1",), detectors=("kd",), epochs=10
  )
  results = shared.run(budget, config, ["small_resnet", "resnet18"], budgets_256=[8.0, 16.0])
  assert {(row["model"], row["eps_256"]) for row in results["rows"]} == {
    (model, eps) for model in ("small_resnet", "resnet18") for eps in (8.0, 16.0)
  }
  assert {row["model"] for row in results["pairs"]} == {"small_resnet", "resnet18"}
  page = shared.page(results)
  for model in ("small ResNet", "ResNet-18"):
    assert page.count(model) > 2
  assert "pooled" in page
