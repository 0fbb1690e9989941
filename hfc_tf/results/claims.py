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
      "verdict": verdict if judged else "not tested",
      "numbers": "; ".join(numbers for _, numbers in judged if numbers),
      "differs": "; ".join(setting.get("differs") or ()),
    })  # fmt: skip
  return lines


def section(judged: list[dict[str, Any]]) -> Section:
  """The claims on a page: verdicts with their numbers, and, folded, what stood before them."""
  counts = collections.Counter(line["verdict"].split(":")[0] for line in judged)
  decided = counts["confirmed"] + counts["not confirmed"]
  images = ["images"] * any("images" in line for line in judged)
  columns = (*images, "claim", "verdict", "numbers", "rule", "source")
  shown = {key.capitalize(): key for key in columns}
  folded = {"Claim": "claim", "Results known when the rule was written": "known",
            "Differs from the papers' setting in": "differs"}  # fmt: skip
  first, last = (
    tables.table(caption, judged, {head: _cell(key) for head, key in heads.items()}, note)
    for caption, heads, note in (
      ("The papers' claims, each with its rule. On drawn images a verdict is no evidence about "
       "patients.", shown,
       "A figure is larger than a bound, or than another, where its two-sided 95 % interval says "
       "so, over patients and paired where the same images are attacked twice; else the claim is "
       "undecided. Where a rule asks for several figures, all must hold, which makes a false "
       "confirmation rarer and a false refutation more frequent: intervals are not corrected for "
       f"their number, and of {decided} claims decided here about {0.05 * decided:.1g} would be "
       "decided wrongly by chance alone if each hung on one interval. \"One training\" leaves a "
       "claim open that is about training: only bin/run_pretraining trains several times."),
      ("What was known before, and where the setting is not the papers'.", folded, ""),
    )
  )  # fmt: skip
  return Section(
    title="Claims",
    lead=[f"Of {len(judged)} claims: {', '.join(f'{n} {key}' for key, n in counts.items())}."],
    tables=[first, dataclasses.replace(last, folded=True)],
  )


def _cell(key: str) -> tables.Column:
  return lambda line: line.get(key) or "–"
