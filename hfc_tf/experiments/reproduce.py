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
from hfc_tf.experiments import EXPERIMENTS, claims
from hfc_tf.experiments.natural import Natural
from hfc_tf.files import write_files
from hfc_tf.report import reproduce as page
from hfc_tf.report.results import plain
from hfc_tf.study.config import Config
from hfc_tf.study.store import digest

_ASKED = "asked.json"
_AGAINST_NATURAL = ("medical_natural", "stress_test")


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


def plan(config: Config, names: Sequence[str], natural: Natural | None) -> list[Task]:
  """The tasks, in the order of EXPERIMENTS.

  Args:
    config: what all share; each experiment's own defaults come on top.
    names: of the experiments; none: all.
    natural: images for those that compare with them; None where there are none.

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
    options = {"natural": natural} if natural and name in _AGAINST_NATURAL else {}
    own |= {"out": str(out / name), "artefacts": config.artefacts or str(out / "artefacts")}
    tasks.append(Task(name, dataclasses.replace(config, **own), options))
  return tasks


def run(
  config: Config,
  names: Sequence[str] = (),
  natural: Natural | None = None,
  budget_minutes: float | None = None,
) -> dict[str, Any]:
  """Runs what is missing and fits, and writes one page into config.out.

  Args:
    config: what all experiments share.
    names: of the experiments; none: all.
    natural: images for what compares with them; None: not tested.
    budget_minutes: start no experiment that is expected to end later; None: all of them.

  Returns:
    What results.json holds: a row a claim, and "experiments" with what became of each.
  """
  begun, expected, spent = time.monotonic(), 0.0, 0.0
  tasks = plan(config, names, natural)
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
  return page.write(config, claims.verdicts(found), state, found)
