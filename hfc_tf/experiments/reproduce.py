"""Every experiment of the papers, within the time there is, on one page with the papers' claims.

What is finished is kept: a run that was killed, or that ran out of time, goes on where it was.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from absl import logging

from hfc_tf.errors import InputError
from hfc_tf.evaluation.protocol import DetectionRow
from hfc_tf.experiments import EXPERIMENTS, claims
from hfc_tf.experiments.common import cells, heads
from hfc_tf.experiments.medical_natural import Natural
from hfc_tf.files import write_files
from hfc_tf.report.experiment import Section, Table, described, read_section, write_pages
from hfc_tf.report.page import command
from hfc_tf.report.results import plain, write_results
from hfc_tf.report.rows import percent
from hfc_tf.report.words import attack_label
from hfc_tf.study.config import Config
from hfc_tf.study.store import digest

_ASKED = "asked.json"
_NOTES = (
  "A claim is judged by a rule that was fixed before any of these results were seen. On drawn "
  "images a verdict says that the effect is there or not; it is no evidence about patients.",
)


@dataclasses.dataclass(frozen=True)
class Task:
  """An experiment as it is to be run, in a folder of its own that shares all artefacts."""

  name: str
  config: Config
  options: Mapping[str, Any]

  @property
  def key(self) -> str:
    """Hashes what is asked for; a folder holding it is finished."""
    return digest(self.name, plain(self.config), plain(self.options))

  def done(self) -> bool:
    """Whether the results are there and are those asked for."""
    try:
      asked = json.loads((pathlib.Path(self.config.out) / _ASKED).read_text())
    except (OSError, ValueError):
      return False
    return bool(asked == self.key)

  def run(self) -> None:
    """Makes the results, and says last that they are there."""
    module = importlib.import_module(EXPERIMENTS[self.name].module)
    module.run(self.config, **self.options)
    write_files(self.config.out, {_ASKED: json.dumps(self.key).encode()})


def plan(config: Config, names: Sequence[str], natural_dir: str | None) -> list[Task]:
  """The tasks, in the order of EXPERIMENTS.

  Args:
    config: what all share; each experiment's own defaults come on top.
    names: of the experiments; none: all.
    natural_dir: natural images for those that compare with them.

  Raises:
    InputError: for an unknown name.
  """
  unknown = set(names) - set(EXPERIMENTS)
  if unknown:
    raise InputError(
      f"experiments among {', '.join(EXPERIMENTS)}", ", ".join(sorted(unknown)), "name some of them"
    )
  out = pathlib.Path(config.out)
  tasks = []
  for name, experiment in EXPERIMENTS.items():
    if names and name not in names:
      continue
    own = dict(experiment.defaults)
    if own.get("dataset", config.dataset) != config.dataset:  # the given files are of other images
      own |= {"data_dir": None, "split": None, "model": None, "model_path": None}
    options: dict[str, Any] = {}
    if natural_dir and name == "medical_natural":
      options["natural"] = Natural(natural_dir, num_images=6000)
    if natural_dir and name == "stress_test":
      options["natural"] = Config(dataset="cifar10", data_dir=natural_dir, num_images=6000)
    own |= {"out": str(out / name), "artefacts": config.artefacts or str(out / "artefacts")}
    tasks.append(Task(name, dataclasses.replace(config, **own), options))
  return tasks


def run(
  config: Config,
  names: Sequence[str] = (),
  natural_dir: str | None = None,
  budget_minutes: float | None = None,
) -> dict[str, Any]:
  """Runs what is missing and fits, and writes one page into config.out.

  Args:
    config: what all experiments share.
    names: of the experiments; none: all.
    natural_dir: natural images, CIFAR-10 as npz or in its binary version.
    budget_minutes: start no experiment that is expected to end later; None: all of them.

  Returns:
    What results.json holds: a row a claim, and "experiments" with what became of each.
  """
  begun, expected, spent = time.monotonic(), 0.0, 0.0
  tasks = plan(config, names, natural_dir)
  missing = [task for task in tasks if not task.done()]
  logging.info("%d of %d experiments are there already", len(tasks) - len(missing), len(tasks))
  state = {task.name: "there already" for task in tasks if task not in missing}
  state |= {task.name: "not begun" for task in missing}
  for place, task in enumerate(missing):
    pace = spent / expected if expected else 1.0  # of this machine and these images
    left = [pace * EXPERIMENTS[other.name].minutes for other in missing[place:]]
    passed = (time.monotonic() - begun) / 60
    if budget_minutes is not None and passed + left[0] > budget_minutes:
      state[task.name] = f"left out: about {left[0]:.0f} more minutes"
      continue
    logging.info("%s (%d of %d): about %.0f of %.0f minutes left", task.name, place + 1,
                 len(missing), left[0], sum(left))  # fmt: skip
    try:
      task.run()
      state[task.name] = "made"
    except InputError as error:
      logging.error("%s: %s", task.name, error)
      state[task.name] = f"failed: {error}"
    expected += EXPERIMENTS[task.name].minutes
    spent += (time.monotonic() - begun) / 60 - passed
    _write(config, tasks, state)
  return _write(config, tasks, state)


def _write(config: Config, tasks: Sequence[Task], state: Mapping[str, str]) -> dict[str, Any]:
  """The page of what is there so far."""
  found = {
    task.name: json.loads((pathlib.Path(task.config.out) / "results.json").read_text())
    for task in tasks
    if task.done()
  }
  judged = claims.verdicts(found)
  sources = dict.fromkeys(each["data"]["source"] for each in found.values())
  results = described("reproduce", config) | {
    "data": {"name": config.dataset, "source": "synthetic" if "synthetic" in sources else ""},
    "experiments": dict(state),
    "warnings": [
      f"{name}: {warning}" for name, each in found.items() for warning in each["warnings"]
    ],
  }
  sections = [_claims(judged), _state(state)]
  for task in tasks:
    if task.name in found:
      results_of, title = found[task.name], EXPERIMENTS[task.name].title
      section = (
        _detection(results_of) if task.name == "detection" else read_section(task.config.out)
      )
      sections.append(dataclasses.replace(section, title=f"{title}: {section.title}"))
  complete = write_results(config.out, results, judged)
  write_pages(config.out, complete, sections, title="The papers' experiments")
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
  body = [[EXPERIMENTS[name].title, words, f"bin/run_{'attack' if name == 'detection' else name}"]
          for name, words in state.items()]  # fmt: skip
  return Section("Experiments", [], [Table("What was run.", ["Experiment", "State", "By"], body)])


def _detection(results: Mapping[str, Any]) -> Section:
  """The main experiment in short; its own page says more."""
  rows = [DetectionRow(**row) for row in results["rows"] if row["population"] == "successful"]
  detectors = list(dict.fromkeys(row.detector for row in rows))
  body = []
  for attack, rule in dict.fromkeys((row.attack, row.weight_rule) for row in rows):
    own = [row for row in rows if (row.attack, row.weight_rule) == (attack, rule)]
    words = "–" if rule is None else f"{rule} ({own[0].hfc_weight:.3g})"
    body.append([attack_label(attack), words, *cells(own, detectors), percent(own[0].adv_acc)])
  head = ["Attack", "HFC", *heads(detectors), "Adv. Acc"]
  table = Table("AUC within class (pooled in brackets), percent.", head, body)
  note = "Intervals, the papers' figures and pictures are on detection/report.html."
  return Section("the main experiment", tables=[table], notes=[note], command=command(results))
