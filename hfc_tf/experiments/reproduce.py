"""Every experiment of the papers, within the time there is, on one page with the papers' claims.

What is finished is kept: a run that was killed, or that ran out of time, goes on where it was.
"""

from __future__ import annotations

import dataclasses
import json
import operator
import pathlib
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from absl import logging

from hfc_tf import progress
from hfc_tf.errors import InputError
from hfc_tf.experiments import EXPERIMENTS, binary
from hfc_tf.experiments.natural import Natural
from hfc_tf.experiments.plan import plan
from hfc_tf.experiments.task import Task, Write
from hfc_tf.results import claims, tables
from hfc_tf.results.labels import attack_label
from hfc_tf.results.result import Result, Section, read_section
from hfc_tf.study.config import Config
from hfc_tf.study.setting import deviations

_THERE, _MADE = "there already", "made"


def run(
  config: Config,
  write: Write,
  names: Sequence[str] = (),
  natural: Natural | None = None,
  budget_minutes: float | None = None,
  typed: Collection[str] | None = None,
  datasets: Sequence[str] = (),
  models: Sequence[str] = (),
) -> dict[str, Any]:
  """Runs what is missing and fits, and writes one page into config.out.

  Args:
    config: what all experiments share.
    write: writes the files of a result and returns what results.json holds.
    names: of the experiments; none: all.
    natural: images for what compares with them; None: not tested.
    budget_minutes: start no experiment that is expected to end later; None: all of them. Of several
      attacks that were not asked for by name, as many are made as fit.
    typed, datasets, models: as for `plan`.

  Returns:
    What results.json holds: a row a claim, and "experiments" with what became of each.
  """
  begun, expected, spent = time.monotonic(), 0.0, 0.0
  fault: Exception | None = None
  tasks = {task.label: task for task in plan(config, names, natural, typed, datasets, models)}
  missing = [task for task in tasks.values() if not task.done()]
  logging.info("%d of %d experiments are there already", len(tasks) - len(missing), len(tasks))
  state = {label: "not begun" if task in missing else _THERE for label, task in tasks.items()}
  for place, whole in enumerate(missing):
    task = whole
    pace = spent / expected if expected else 1.0  # of this machine and these images
    passed = (time.monotonic() - begun) / 60
    if budget_minutes is not None:
      task = whole.within((budget_minutes - passed) / pace)
    left = [pace * other.minutes for other in (task, *missing[place + 1 :])]
    if budget_minutes is not None and passed + left[0] > budget_minutes:
      state[task.label] = f"left out: about {left[0]:.0f} more minutes"
      continue
    logging.info("%s (%d of %d): about %.0f of %.0f minutes left", task.label, place + 1,
                 len(missing), left[0], sum(left))  # fmt: skip
    only = "" if task is whole else _only(task)
    tasks[task.label] = task
    if only and task.done():
      state[task.label] = _THERE + only
      continue
    progress.current.begin(
      f"{task.label} ({place + 1} of {len(missing)})", EXPERIMENTS[task.name].scale,
      60 * sum(left[1:]),
    )  # fmt: skip
    try:
      task.run(write)
      state[task.label] = _MADE + only
    except InputError as error:
      logging.error("%s: %s", task.label, error)
      state[task.label] = f"failed: {error}"
    except Exception as error:  # a fault of one experiment must not cost the others
      logging.exception("%s", task.label)
      state[task.label] = f"failed: {type(error).__name__}: {error}"
      fault = fault or error
    expected += task.minutes
    spent += (time.monotonic() - begun) / 60 - passed
    write(_result(config, tasks, state))
  results = write(_result(config, tasks, state))
  if fault:
    raise fault
  return results


def _only(task: Task) -> str:
  """What is said of a task whose other attacks were left out."""
  made = ", ".join(map(attack_label, task.config.attacks))
  logging.warning("%s: there is time for %s alone", task.label, made)
  return f", with {made} alone: no time for the papers' other attacks"


def _result(config: Config, tasks: Mapping[str, Task], state: Mapping[str, str]) -> Result:
  """What is there so far: the claims, what became of each experiment, and each one's section."""
  folders = {label: pathlib.Path(task.config.out) for label, task in tasks.items()
             if state[label].startswith((_THERE, _MADE))}  # fmt: skip
  done = {label: json.loads((out / "results.json").read_text()) for label, out in folders.items()}
  drawn = [label for label, each in done.items() if each["data"]["source"] == "synthetic"]
  mixed = drawn if len(drawn) < len(done) else []
  warnings = [f"Synthetic, drawn by a program: {', '.join(mixed)}."] if mixed else []
  judged = []
  for images in dict.fromkeys(task.images for task in tasks.values()):
    of_images = {tasks[x].name: results for x, results in done.items() if tasks[x].images == images}
    where = {"images": images} if images else {}
    judged += [{**line, **where} for line in claims.verdicts(of_images)]
  sections = [
    claims.section(judged),
    Section(title="Experiments", tables=[tables.table("What was run.", state.items(), {
      "Experiment": lambda entry: tasks[entry[0]].title,
      "State": operator.itemgetter(1), "By": lambda entry: f"bin/{binary(tasks[entry[0]].name)}",
    })]),
  ]  # fmt: skip
  for label, out in folders.items():
    section = read_section(out)
    title = f"{tasks[label].title}: {section.title}"
    sections.append(dataclasses.replace(section, title=title, **_captions(section, label in mixed)))
  return Result(
    name="reproduce", config=config, rows=judged, title="The papers' experiments",
    sections=sections, summary={
      "data": {
        "name": ", ".join(dict.fromkeys(task.config.dataset for task in tasks.values()
                                        if task.images)) or config.dataset,
        "source": "mixed" if mixed else "synthetic" if drawn else "",
      },
      "papers_setting": deviations(config.resolved()),
      "experiments": dict(state),
      "warnings": warnings + _warnings(tasks, done),
    },
  )  # fmt: skip


def _warnings(tasks: Mapping[str, Task], done: Mapping[str, Mapping[str, Any]]) -> list[str]:
  """What each experiment warns of, once, after the names of all that say it."""
  by_text: dict[str, list[str]] = {}
  for label, each in done.items():
    for text in dict.fromkeys((*tasks[label].notes, *each["warnings"])):
      by_text.setdefault(text, []).append(label)
  return [f"{', '.join(labels)}: {text}" for text, labels in by_text.items()]


def _captions(section: Section, synthetic: bool) -> dict[str, Any]:
  """Tables and figures of drawn images say so themselves on a page that has others, too."""
  return {
    kind: [
      dataclasses.replace(each, caption=f"Synthetic. {each.caption}") if synthetic else each
      for each in getattr(section, kind)
    ]
    for kind in ("tables", "figures")
  }
