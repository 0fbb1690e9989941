"""The questions on an evaluation, on a tiny phantom."""

import dataclasses

import pytest

from hfc_tf.errors import InputError
from hfc_tf.experiments import checklist
from hfc_tf.results.checklist import answer, no_less, same
from hfc_tf.results.claims_base import Interval
from tests.experiments import shared

ITEMS = ["noise", "one step", "budget", "steps", "restarts", "without gradients", "untargeted",
         "knows the detector"]  # fmt: skip


def test_experiment():
  config = shared.config(hfc_weights=("1",), detectors=("maha", "knn", "squeezing"))
  results = shared.run(checklist, config, queries=20, restarts=2)
  answers = {each["item"]: each for each in results["checklist"]}
  assert list(answers) == ITEMS
  assert {each["verdict"] for each in answers.values()} <= {"holds", "does not hold", "undecided"}
  assert all(each["numbers"] for each in answers.values())
  rows = results["rows"]
  assert {row["item"] for row in rows} == set(ITEMS)
  for item in ITEMS:
    of_item = [row for row in rows if row["item"] == item]
    assert {row["detector"] for row in of_item} == {"maha", "knn", "squeezing"}
    assert all(row["adv_acc_low"] <= row["adv_acc"] <= row["adv_acc_high"] for row in of_item)
  (noise,) = {row["adv_acc"] for row in rows if row["item"] == "noise"}
  budgets = {row["eps_256"]: row["adv_acc"] for row in rows if row["item"] == "budget"}
  assert min(budgets) == 8.0 and budgets[max(budgets)] == max(budgets.values())
  assert noise < budgets[8.0]
  assert {row["steps"] for row in rows if row["item"] == "steps"} == {16}
  assert {row["weight_rule"] for row in rows if row["item"] == "steps"} == {None, "paper"}
  assert {row["restarts"] for row in rows if row["item"] == "restarts"} == {2}
  assert not any(row["targeted"] for row in rows if row["item"] in ("untargeted", "noise"))
  page = shared.page(results)
  assert "Threat model." in page and "8/256 at the most" in page and "Carlini" in page


@pytest.mark.parametrize("attack", ["fgsm", "deepfool"])
def test_attacks_of_one_step_or_without_a_budget_are_refused(attack):
  with pytest.raises(InputError, match="several steps within a budget"):
    checklist.run(dataclasses.replace(shared.config(), attacks=(attack,)))


def test_answers_are_judged_by_intervals():
  assert [no_less(Interval(x, x - 0.05, x + 0.05, 90)) for x in (0.0, -0.3, -0.1)] == [
    True, False, None,
  ]  # fmt: skip
  assert same([Interval(x, x - 0.05, x + 0.05, 90) for x in (0.0, -0.3, 0.1)]) == [
    True, False, None,
  ]  # fmt: skip
  verdicts = [answer("a", "b", holds, []).verdict for holds in ([True], [True, False], [None], [])]
  assert verdicts == ["holds", "does not hold", "undecided", "undecided"]
