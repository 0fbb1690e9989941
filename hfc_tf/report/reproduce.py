"""The page of all experiments."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from hfc_tf.experiments import EXPERIMENTS
from hfc_tf.report.page import binary
from hfc_tf.report.results import completed, write_run
from hfc_tf.report.sections import Section, page_files, read_section
from hfc_tf.report.write import described
from hfc_tf.results import claims
from hfc_tf.results.result import Table

_NOTES = (
  "A claim is judged by a rule that was fixed before any of these results were seen. On drawn "
  "images a verdict says that the effect is there or not; it is no evidence about patients.",
)


def write(
  config: Any, state: Mapping[str, str], done: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
  """Writes results.json, results.csv, config.json, figures/ and report.html into config.out.

  Args:
    config: what all experiments share.
    state: what became of each experiment, by its name.
    done: what the results.json of those that are there hold, by name.

  Returns:
    What results.json holds.
  """
  judged = claims.verdicts(done)
  sources = {results["data"]["source"] for results in done.values()}
  results = described("reproduce", config) | {
    "data": {"name": config.dataset, "source": "synthetic" if "synthetic" in sources else ""},
    "experiments": dict(state),
    "warnings": [f"{name}: {text}" for name, each in done.items() for text in each["warnings"]],
  }
  sections = [_claims(judged), _state(state)]
  for name, each in done.items():
    section = read_section(each["config"]["out"])
    title = f"{EXPERIMENTS[name].title}: {section.title}"
    sections.append(dataclasses.replace(section, title=title))
  complete = completed(results, judged)
  write_run(config.out, complete, page_files(complete, sections, title="The papers' experiments"))
  return complete


def _claims(judged: Sequence[Mapping[str, Any]]) -> Section:
  counts = {
    verdict: sum(line["verdict"] == verdict for line in judged)
    for verdict in ("confirmed", "not confirmed", "not tested")
  }
  lead = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
  body = [[line["claim"], line["verdict"], line["source"]] for line in judged]
  table = Table("The papers' claims.", ["Claim", "Verdict", "Source"], body)
  rules = [
    f"{line['claim']} {line['numbers'][:1].upper()}{line['numbers'][1:] or 'Not tested'}. "
    f"Confirmed if: {line['rule']}"
    for line in judged
  ]
  return Section("Claims", [f"Of {len(judged)} claims: {lead}."], [table], notes=[*rules, *_NOTES])


def _state(state: Mapping[str, str]) -> Section:
  body = [[EXPERIMENTS[name].title, each, f"bin/{binary(name)}"] for name, each in state.items()]
  return Section("Experiments", [], [Table("What was run.", ["Experiment", "State", "By"], body)])
