"""Conditions on a result's rows under which a command fails: "hfc:maha.auc_two_sided>0.9"."""

from __future__ import annotations

import dataclasses
import operator
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from xml.etree import ElementTree

from hfc_tf.errors import InputError
from hfc_tf.results.rows import DetectionRow

_COMPARISONS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_SYNTAX = re.compile(
  r"((?:\w+:)*)(\w+)\.(\w+)(>=|<=|>|<)([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)", re.ASCII
)
_NUMBERS = (float, int, float | None)
METRICS = tuple(
  name for name, kind in typing.get_type_hints(DetectionRow).items() if kind in _NUMBERS
)
_FORMS = ("plain", "hfc")


@dataclasses.dataclass(frozen=True)
class Condition:
  """One condition; None stands for any.

  Attributes:
    text: as it was given.
    attack: key of the attack. hfc: whether it is hidden. detector: key.
    metric: a field of `DetectionRow`. comparison: >, >=, < or <=. limit: the number beside it.
  """

  text: str
  attack: str | None
  hfc: bool | None
  detector: str | None
  metric: str
  comparison: str
  limit: float


@dataclasses.dataclass(frozen=True)
class Outcome:
  """A condition on the rows: where it holds ("bim with HFC, weight 1: maha 0.97"), and where there
  is no number to compare."""

  condition: Condition
  holds: Sequence[str]
  unmeasured: Sequence[str]

  @property
  def line(self) -> str:
    """One line for the terminal; empty where the condition does not hold."""
    if self.holds:
      return f"fail_if {self.condition.text} holds: {'; '.join(self.holds)}"
    if self.unmeasured:
      return f"fail_if {self.condition.text} could not be told: {'; '.join(self.unmeasured)}"
    return ""


def parse(
  flag: str, texts: Sequence[str] | None, attacks: Iterable[str], detectors: Iterable[str],
  hidden: bool,
) -> list[Condition]:  # fmt: skip
  """The conditions of a flag.

  Args:
    flag: its name, for errors.
    texts: each [ATTACK:][plain:|hfc:]DETECTOR.METRIC followed by >, >=, < or <= and a number;
      DETECTOR may be "any".
    attacks, detectors: those of the run. hidden: whether it attacks with HFC.

  Raises:
    InputError: for another syntax, a metric that rows do not have, or what the run does not make.
  """
  return [_one(flag, text, list(attacks), list(detectors), hidden) for text in texts or ()]


def _one(
  flag: str, text: str, attacks: list[str], detectors: list[str], hidden: bool
) -> Condition:
  found = _SYNTAX.fullmatch("".join(text.split()))
  if not found:
    expected = f"{flag}=DETECTOR.METRIC>NUMBER (or >=, <, <=; before it ATTACK:, plain: or hfc:)"
    raise InputError(expected, repr(text), "e.g. maha.auc_two_sided>0.9")
  selectors, detector, metric, comparison, limit = found.groups()
  for noun, name, known in (
    ("a detector", detector, ["any", *detectors]), ("a metric", metric, [*METRICS])
  ):  # fmt: skip
    if name not in known:
      raise InputError(f"{noun} of {flag} among {', '.join(known)}", repr(name), "name one of them")
  forms = [*attacks, *(_FORMS if hidden else ("plain",))]
  chosen = selectors.split(":")[:-1]
  for name in chosen:
    if name not in forms:
      raise InputError(
        f"before the detector of {flag} one of {', '.join(forms)}", repr(name), "name one of them"
      )
  kinds = ["form" if name in _FORMS else "attack" for name in chosen]
  if len(set(kinds)) < len(kinds):
    raise InputError(f"at most one attack and one form in {flag}", repr(text), "split it by commas")
  named = dict(zip(kinds, chosen, strict=True))
  return Condition(
    text=text.strip(),
    attack=named.get("attack"),
    hfc=named["form"] == "hfc" if "form" in named else None,
    detector=None if detector == "any" else detector,
    metric=metric,
    comparison=comparison,
    limit=float(limit),
  )


def outcomes(
  conditions: Sequence[Condition], rows: Sequence[Mapping[str, typing.Any]]
) -> list[Outcome]:
  """Each condition on all rows of detectors that it names, of all adversarials that succeeded."""
  return [_outcome(condition, rows) for condition in conditions]


def _outcome(condition: Condition, rows: Sequence[Mapping[str, typing.Any]]) -> Outcome:
  wanted = {name: getattr(condition, name) for name in ("attack", "hfc", "detector")}
  wanted = {name: value for name, value in wanted.items() if value is not None}
  chosen = [
    row
    for row in rows
    if row.get("population") == "successful"
    and all(row.get(name) == value for name, value in wanted.items())
  ]
  compare = _COMPARISONS[condition.comparison]
  holds, unmeasured = [], [] if chosen else ["no such row in the result"]
  for row in chosen:
    hidden = f"with HFC, weight {row['hfc_weight']:g}" if row["hfc"] else "without HFC"
    place, value = f"{row['attack']} {hidden}: {row['detector']}", row[condition.metric]
    if value is None:
      unmeasured.append(f"{place} has none, too few images")
    elif compare(value, condition.limit):
      holds.append(f"{place} {value:.4g}")
  return Outcome(condition, holds, unmeasured)


def junit(results: Sequence[Outcome], command: str, seconds: float = 0.0) -> bytes:
  """JUnit's XML with a test case for each condition: a failure where it holds, an error where
  nothing was measured.

  Args:
    command: the name of the suite. seconds: what the run took.
  """
  suites = ElementTree.Element("testsuites")
  suite = ElementTree.SubElement(suites, "testsuite", {
    "name": command, "tests": f"{len(results)}", "time": f"{seconds:.1f}",
    "failures": f"{sum(bool(each.holds) for each in results)}",
    "errors": f"{sum(bool(each.unmeasured) and not each.holds for each in results)}",
  })  # fmt: skip
  for each in results:
    names = {"classname": command, "name": each.condition.text, "time": "0"}
    entry = ElementTree.SubElement(suite, "testcase", names)
    if each.line:
      ElementTree.SubElement(entry, "failure" if each.holds else "error", {"message": each.line})
  text: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
  return text
