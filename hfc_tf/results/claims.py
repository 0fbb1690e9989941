"""The papers' claims, judged by intervals, as a table of a page."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping
from typing import Any

from hfc_tf.results import claims_detection, claims_features, claims_images, tables
from hfc_tf.results.claims_base import Claim, Results
from hfc_tf.results.result import Section

CLAIMS: list[Claim] = [
  claim for each in (claims_detection, claims_images, claims_features) for claim in each.CLAIMS
]
_NOT_TESTED = "not tested"
_VERDICTS = {True: "confirmed", False: "not confirmed", None: "undecided"}


def verdicts(results: Mapping[str, Results]) -> list[dict[str, Any]]:
  """Each claim with its verdict, the numbers and what of the papers' setting was not kept.

  A verdict is "confirmed", "not confirmed", "undecided" (an interval holds the bound, or two
  overlap), "one training", "not comparable: ...", "not tested in the papers' setting" or
  "not tested".

  Args:
    results: what results.json holds, by experiment.
  """
  lines = []
  for name, text, source, rule, known, judge in CLAIMS:
    judged = list(judge(results[name])) if name in results else []
    said = [decision for decision, _ in judged]
    named = [decision for decision in said if isinstance(decision, str)]
    if False in said:
      verdict = _VERDICTS[False]
    else:
      verdict = named[0] if named else _VERDICTS[None if None in said else True]
    setting = (results[name].get("papers_setting") or {}) if name in results else {}
    lines.append({
      "claim": text, "source": source, "experiment": name, "rule": rule, "known": known,
      "verdict": verdict if judged else _NOT_TESTED,
      "numbers": "; ".join(numbers for _, numbers in judged if numbers),
      "differs": "; ".join(setting.get("differs") or ()),
    })  # fmt: skip
  return lines


def section(judged: list[dict[str, Any]]) -> Section:
  """The claims on a page: those tested, and, folded, the others and what stood before them."""
  counts = collections.Counter(line["verdict"].split(":")[0] for line in judged)
  decided = counts["confirmed"] + counts["not confirmed"]
  images = {"Images": _cell("images")} if any("images" in line for line in judged) else {}
  claim: dict[str, tables.Column] = {"Claim": lambda line: f"{line['claim']} ({line['source']})"}
  verdict: dict[str, tables.Column] = {
    "Verdict": lambda line: line["verdict"].split(":")[0], "Numbers": _numbers,
  }  # fmt: skip
  note = (
    "A figure is larger than a bound, or than another, where its two-sided 95 % interval says so, "
    "over patients and paired where the same images are attacked twice; else the claim is "
    "undecided. Where a rule asks for several figures, all must hold, which makes a false "
    "confirmation rarer and a false refutation more frequent: intervals are not corrected for "
    f"their number, and of {decided} claims decided here about {0.05 * decided:.1g} would be "
    'decided wrongly by chance alone if each hung on one interval. "One training" leaves a claim '
    "open that is about training: only bin/run_pretraining trains several times."
  )
  tested = [line for line in judged if line["verdict"] != _NOT_TESTED]
  first = tables.table(
    "The papers' claims, each with its rule. On drawn images a verdict is no evidence about "
    "patients.", tested, {**images, **claim, **verdict, "Rule": _cell("rule")}, note,
  )  # fmt: skip
  others = tables.table(
    "Claims that nothing here tests.", [line for line in judged if line not in tested],
    {**images, **claim, "Rule": _cell("rule"), "Numbers": _cell("numbers")},
  )  # fmt: skip
  before = tables.table(
    "What was known before, and where the setting is not the papers'.", judged,
    {**images, **claim, "Results known when the rule was written": _cell("known"),
     "Differs from the papers' setting in": _cell("differs")},
  )  # fmt: skip
  return Section(
    title="Claims",
    lead=[f"Of {len(judged)} claims: {', '.join(f'{n} {key}' for key, n in counts.items())}."],
    tables=[first] * bool(tested) + [
      dataclasses.replace(each, folded=True) for each in (others, before) if each.rows
    ],
  )


def _cell(key: str) -> tables.Column:
  return lambda line: line.get(key) or "–"


def _numbers(line: Mapping[str, str]) -> str:
  """The numbers of a claim, after what makes its sides differ."""
  return "; ".join(filter(None, (line["verdict"].partition(": ")[2], line["numbers"]))) or "–"
