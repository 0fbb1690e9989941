"""The page of all experiments."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hfc_tf.experiments import EXPERIMENTS
from hfc_tf.report.experiment import Section, Table, described, page_files, read_section
from hfc_tf.report.page import binary
from hfc_tf.report.results import completed, write_run

if TYPE_CHECKING:
  from hfc_tf.study.config import Config

_NOTES = (
  "A claim is judged by a rule that was fixed before any of these results were seen. On drawn "
  "images a verdict says that the effect is there or not; it is no evidence about patients.",
)


def write(
  config: Config,
  judged: Sequence[Mapping[str, Any]],
  state: Mapping[str, str],
  found: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
  """Writes results.json, results.csv, config.json, figures/ and report.html into config.out.

  Args:
    config: what all experiments share.
    judged: the claims with their verdicts.
    state: what became of each experiment, by its name.
    found: what the results.json of those that are there hold, by name.

  Returns:
    What results.json holds.
  """
  sources = {results["data"]["source"] for results in found.values()}
  results = described("reproduce", config) | {
    "data": {"name": config.dataset, "source": "synthetic" if "synthetic" in sources else ""},
    "experiments": dict(state),
    "warnings": [f"{name}: {text}" for name, each in found.items() for text in each["warnings"]],
  }
  sections = [_claims(judged), _state(state)]
  for name, each in found.items():
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
  told = [
    f"{line['claim']} {line['numbers'][:1].upper()}{line['numbers'][1:] or 'Not tested'}. "
    f"Confirmed if: {line['rule']}"
    for line in judged
  ]
  return Section("Claims", [f"Of {len(judged)} claims: {lead}."], [table], notes=[*told, *_NOTES])


def _state(state: Mapping[str, str]) -> Section:
  body = [[EXPERIMENTS[name].title, words, f"bin/{binary(name)}"] for name, words in state.items()]
  return Section("Experiments", [], [Table("What was run.", ["Experiment", "State", "By"], body)])
