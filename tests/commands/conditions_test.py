import types
from xml.etree import ElementTree

import pytest

from hfc_tf.commands.conditions import judge, parse
from hfc_tf.errors import InputError


def row(detector, rule, value, **more):
  given = {"attack": "bim", "population": "successful", "evasion_rate": value, "auc": value, **more}
  return types.SimpleNamespace(detector=detector, weight_rule=rule, **given)


ROWS = [
  row("kd", None, 0.1), row("kd", "balanced", 0.9), row("maha", None, 0.0),
  row("maha", "balanced", None), row("kd", "balanced", 1.0, population="both_arms"),
  row("kd", None, 0.4, attack="mim(decay=0.5)"),
]  # fmt: skip


def failed(*texts):
  conditions = parse(texts, ("bim", "mim(decay=0.5)"), ("kd", "maha"))
  return [line.split(": ")[1] for line in judge(conditions, ROWS, None)]


def test_conditions_choose_rows_by_attack_rule_and_detector():
  assert failed("bim/none.kd.evasion_rate>0.2") == []
  assert failed("bim/none.kd.evasion_rate>=0.1") == ["bim/none.kd.evasion_rate = 0.100"]
  assert failed("/balanced.kd.auc>0.5") == ["bim/balanced.kd.auc = 0.900"]
  assert failed("mim(decay=0.5).kd.auc<.5") == ["mim(decay=0.5)/none.kd.auc = 0.400"]
  assert len(failed("kd.auc>0.05")) == 3


def test_what_cannot_be_judged_fails():
  assert failed("any.auc>2") == ["bim/balanced.maha.auc has too few images to be judged"]
  assert failed("bim/auto.kd.auc>2") == ["no such row, it cannot be judged"]


@pytest.mark.parametrize(
  ("text", "said"),
  [
    ("kd>0.1", "expected --fail_if="), ("kd.auc=0.1", "expected --fail_if="),
    ("kd.auc>x", "expected --fail_if="), ("__import__('os').x>1", "expected"),
    ("lid.auc>0.1", "a detector of --fail_if among any, kd, maha; found 'lid'"),
    ("kd.attack>0.1", "a metric of --fail_if among adv_acc, "),
    ("pgd.kd.auc>0.1", "an? attack of --fail_if among bim"),
  ],
)  # fmt: skip
def test_other_forms_and_names_are_refused(text, said):
  with pytest.raises(InputError, match=said):
    parse([text], ("bim",), ("kd", "maha"))


def test_junit_has_a_case_a_condition(tmp_path):
  conditions = parse(["kd.auc>2", "any.auc>2"], ("bim",), ("kd",))
  judge(conditions, ROWS, str(tmp_path / "j.xml"))
  suite = ElementTree.parse(tmp_path / "j.xml").getroot()
  assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
  assert [len(testcase) for testcase in suite] == [0, 1]
