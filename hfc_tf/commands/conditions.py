"""Conditions on the rows of a result that make a command fail, for continuous integration."""

from __future__ import annotations

import dataclasses
import operator
import re
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from hfc_tf.errors import InputError
from hfc_tf.results.rows import DetectionRow
from hfc_tf.storage.files import write_files

_OPERATORS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_NAME = r"[^./()<>=]+(?:\([^()]*\))?"
_FORM = re.compile(
  rf"(?:(?P<attack>{_NAME})?(?:/(?P<rule>[^/]+?))?\.)??(?P<detector>{_NAME})\.(?P<metric>\w+)\s*"
  r"(?P<sign>>=|<=|>|<)\s*(?P<value>-?\d*\.?\d+(?:e-?\d+)?)"
)
_METRICS = sorted(
  name for name, kind in typing.get_type_hints(DetectionRow).items()
  if kind in (float, float | None)
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Condition:
  """One condition: [ATTACK][/RULE.]DETECTOR.METRIC > NUMBER.

  Attributes:
    text: as it was given.
    attack, rule: of --attack and --hfc_weight; None for all, "none" for the rule without HFC.
    detector: of --detectors, or "any". metric: a field of `DetectionRow`.
    sign, value: what the metric is compared with.
  """

  text: str
  attack: str | None
  rule: str | None
  detector: str
  metric: str
  sign: str
  value: float

  def failures(self, rows: Sequence[Any]) -> list[str]:
    """What holds of which row, and what cannot be judged, a line each."""
    chosen = [
      row for row in rows
      if getattr(row, "population", None) == "successful" and self.detector in ("any", row.detector)
      and self.attack in (None, row.attack) and self.rule in (None, row.weight_rule or "none")
    ]  # fmt: skip
    lines = [] if chosen else [f"{self.text}: no such row, it cannot be judged"]
    for row in chosen:
      value = getattr(row, self.metric)
      where = f"{row.attack}/{row.weight_rule or 'none'}.{row.detector}.{self.metric}"
      if value is None:
        lines.append(f"{self.text}: {where} has too few images to be judged")
      elif _OPERATORS[self.sign](value, self.value):
        lines.append(f"{self.text}: {where} = {value:.3f}")
    return lines


def parse(
  texts: Sequence[str], attacks: Sequence[str], detectors: Sequence[str]
) -> list[Condition]:
  """Conditions of --fail_if.

  Args:
    texts: one a condition. attacks, detectors: those that run.

  Raises:
    InputError: another form, or a name that nothing has.
  """
  made = []
  for text in texts:
    match = _FORM.fullmatch(text.strip())
    if not match:
      expected = "--fail_if=[ATTACK[/RULE].]DETECTOR.METRIC>NUMBER"
      raise InputError(expected, repr(text), 'e.g. "any.evasion_rate>0.1"')
    fields: dict[str, Any] = match.groupdict()
    for name, value, known in (
      ("attack", fields["attack"], (None, *attacks)),
      ("detector", fields["detector"], ("any", *detectors)),
      ("metric", fields["metric"], _METRICS),
    ):
      if value not in known:
        actual = f"{value!r} in {text!r}"
        raise InputError(f"a {name} of --fail_if among {', '.join(filter(None, known))}", actual,
                         "name one")  # fmt: skip
    fields["value"] = float(fields["value"])
    made.append(Condition(text.strip(), **fields))
  return made


def judge(conditions: Sequence[Condition], rows: Sequence[Any], junit: str | None) -> list[str]:
  """The lines of all conditions that hold or cannot be judged; `junit` is a file for them."""
  failed = {condition.text: condition.failures(rows) for condition in conditions}
  if junit:
    lost = sum(map(bool, failed.values()))
    suite = ElementTree.Element("testsuite", name="hfc_tf", tests=str(len(failed)),
                                failures=str(lost), errors="0")  # fmt: skip
    for text, lines in failed.items():
      testcase = ElementTree.SubElement(suite, "testcase", classname="hfc_tf", name=text)
      if lines:
        ElementTree.SubElement(testcase, "failure", message=lines[0]).text = "\n".join(lines)
    content = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    write_files(Path(junit).parent, {Path(junit).name: content})
  return [line for lines in failed.values() for line in lines]
