"""Conditions on hand-made rows."""

from xml.etree import ElementTree

import pytest

from hfc_tf.errors import InputError
from hfc_tf.results.conditions import METRICS, junit, outcomes, parse

ROWS = [
  {"population": "successful", "attack": attack, "hfc": hfc, "hfc_weight": float(hfc),
   "detector": detector, "auc": auc, "auc_two_sided": None if auc is None else max(auc, 1 - auc)}
  for attack, hfc, detector, auc in (
    ("bim", False, "maha", 0.99), ("bim", True, "maha", 0.05), ("pgd", False, "maha", 0.8),
    ("bim", False, "lid", 0.7), ("bim", True, "lid", None),
  )
]  # fmt: skip
ROWS += [{**ROWS[0], "population": "both_arms", "auc": 0.1}, {"draws": 3}]


def conditions(*texts, hidden=True):
  return parse("--fail_if", texts, ["bim", "pgd"], ["maha", "lid"], hidden)


@pytest.mark.parametrize(
  ("text", "holding", "unmeasured"),
  [
    ("maha.auc>0.9", ["bim without HFC: maha 0.99"], 0),
    (
      "maha.auc_two_sided >= 0.95",
      ["bim without HFC: maha 0.99", "bim with HFC, weight 1: maha 0.95"],
      0,
    ),
    ("hfc:maha.auc > .9", [], 0),
    ("hfc:maha.auc<1e-1", ["bim with HFC, weight 1: maha 0.05"], 0),
    ("bim:plain:any.auc<=0.7", ["bim without HFC: lid 0.7"], 0),
    ("plain:bim:any.auc<0.7", [], 0),
    ("pgd:maha.auc<0.8", [], 0),
    ("pgd:maha.auc<=0.8", ["pgd without HFC: maha 0.8"], 0),
    ("lid.auc>0.9", [], 1),
    ("pgd:lid.auc>0.9", [], 1),
  ],
)
def test_which_conditions_hold(text, holding, unmeasured):
  (result,) = outcomes(conditions(text), ROWS)
  assert list(result.holds) == holding and len(result.unmeasured) == unmeasured
  assert bool(result.line) == bool(holding or unmeasured) and "\n" not in result.line
  assert all(place in result.line for place in holding)


@pytest.mark.parametrize(
  ("text", "problem"),
  [
    ("maha.auc", "e.g. maha.auc_two_sided>0.9"),
    ("maha.auc==1", "DETECTOR.METRIC>NUMBER"),
    ("maha.auc>__import__('os')", "DETECTOR.METRIC>NUMBER"),
    ("maha.auc>nan", "DETECTOR.METRIC>NUMBER"),
    ("maha.auk>0.9", "a metric of --fail_if among hfc_weight"),
    ("maha.detector>0.9", "a metric of"),
    ("svm.auc>0.9", "a detector of --fail_if among any, maha, lid"),
    ("cw:maha.auc>0.9", "one of bim, pgd, plain, hfc"),
    ("bim:pgd:maha.auc>0.9", "at most one attack"),
  ],
)
def test_what_is_refused(text, problem):
  with pytest.raises(InputError, match=problem) as refusal:
    conditions(text)
  assert "\n" not in str(refusal.value)


def test_hfc_is_refused_without_hfc():
  with pytest.raises(InputError, match="one of bim, pgd, plain;"):
    conditions("hfc:maha.auc>0.9", hidden=False)
  assert {"auc", "auc_within_class_two_sided", "tpr_at_90_tnr", "adv_acc"} <= set(METRICS)


def test_junit_has_a_case_for_each_condition():
  results = outcomes(conditions("maha.auc>0.9", "hfc:maha.auc>.9", "lid.auc>.9"), ROWS)
  suite = ElementTree.fromstring(junit(results, "run_attack", 2.5)).find("testsuite")
  assert {n: suite.get(n) for n in ("name", "tests", "failures", "errors", "time")} == {
    "name": "run_attack", "tests": "3", "failures": "1", "errors": "1", "time": "2.5"
  }  # fmt: skip
  cases = suite.findall("testcase")
  assert [case.get("name") for case in cases] == ["maha.auc>0.9", "hfc:maha.auc>.9", "lid.auc>.9"]
  assert [[child.tag for child in case] for case in cases] == [["failure"], [], ["error"]]
  assert "maha 0.99" in cases[0][0].get("message")
