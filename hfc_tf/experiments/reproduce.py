"""Every experiment of the papers, within the time there is, on one page with the papers' claims.

What is finished is kept: a run that was killed, or that ran out of time, goes on where it was.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
import operator
import pathlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from absl import logging

from hfc_tf.data import VOLUMES
from hfc_tf.errors import InputError
from hfc_tf.experiments import EXPERIMENTS, binary, check
from hfc_tf.experiments.natural import Natural
from hfc_tf.results import claims, tables
from hfc_tf.results.result import Result, Section, read_section
from hfc_tf.storage.files import write_files
from hfc_tf.storage.hashing import digest, path_digest
from hfc_tf.storage.keys import VERSIONS
from hfc_tf.storage.store import checksums, damage
from hfc_tf.study import values
from hfc_tf.study.config import Config
from hfc_tf.study.setting import as_the_papers, deviations

Write = Callable[[Result], dict[str, Any]]  # hfc_tf.report.write
_ASKED = "asked.json"
_FILES = ("results.*", "report.html", "[cs]*.json", "figures/*.png")
_DONE = ("there already", "made")
_AGAINST_NATURAL = ("medical_natural", "stress_test")
_WITHOUT_HFC = ("detection", "tsne")  # can be made with --nohfc
_OF_THE_IMAGES: dict[str, Any] = dict.fromkeys((
  "data_dir", "split", "model", "model_path", "weights",
))  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Task:
  """An experiment as it is to be run, in a folder of its own that shares all artefacts.

  Attributes:
    contents: hashes of the files that the configuration and the options name.
  """

  name: str
  config: Config
  options: Mapping[str, Any]
  contents: Sequence[str | None]

  @property
  def key(self) -> str:
    """Hashes what is asked for; a folder holding it is finished."""
    return digest(self.name, self.config, self.options, self.contents, VERSIONS)

  def done(self) -> bool:
    """Whether the results are there, whole, and those asked for; damage is told."""
    folder = pathlib.Path(self.config.out)
    try:
      asked, broken = json.loads((folder / _ASKED).read_text())["asked"], damage(folder, _ASKED)
    except FileNotFoundError:
      return False
    except (OSError, ValueError, KeyError, TypeError) as error:
      asked, broken = self.key, f"{_ASKED}: {type(error).__name__}"
    if broken and asked == self.key:
      logging.warning("%s is damaged (%s); it is made again", folder, broken)
    return broken is None and bool(asked == self.key)

  def run(self, write: Write) -> None:
    """Makes the results, and says last that they are there."""
    module = importlib.import_module(EXPERIMENTS[self.name].module)
    write(module.run(self.config, **self.options))
    folder = pathlib.Path(self.config.out)
    names = [path.relative_to(folder) for pattern in _FILES for path in folder.glob(pattern)]
    asked = {"asked": self.key, "files": checksums(folder, map(str, names))}
    write_files(folder, {_ASKED: json.dumps(asked, indent=1).encode()})


def plan(
  config: Config,
  names: Sequence[str],
  natural: Natural | None,
  typed: Collection[str] | None = None,
) -> list[Task]:
  """The tasks, in the order of EXPERIMENTS.

  Args:
    config: what all share.
    names: of the experiments; none: all that `config` allows.
    natural: images for those that compare with them, if any.
    typed: the fields of `config` that the user chose, which hold in every experiment that can obey
      them; of the others an experiment's own defaults come on top. None: those that differ from
      the defaults of `Config`.

  Raises:
    InputError: for an unknown name.
  """
  unknown = set(names) - set(EXPERIMENTS)
  if unknown:
    raise InputError(
      f"experiments among {', '.join(EXPERIMENTS)}", ", ".join(sorted(unknown)), "name some of them"
    )
  if typed is None:
    typed = [name for name, value in vars(config).items() if value != getattr(Config, name)]
  out = pathlib.Path(config.out)
  contents = functools.cache(lambda path: path and path_digest(path, without=out))
  tasks = []
  wanted = names or [name for name in EXPERIMENTS if _allowed(name, config)]
  for name in (name for name in EXPERIMENTS if name in wanted):
    defaults = EXPERIMENTS[name].defaults
    fields = {field: value for field, value in defaults.items() if field not in typed}
    instead = _instead(name, config)
    taken = {field: value for field, value in instead.items() if field in typed}
    if taken:
      flags = ", ".join(f"{field}={value}" for field, value in taken.items())
      logging.warning("%s cannot be made with all flags: it takes %s", name, flags)
    fields |= instead
    fields |= {"out": str(out / name), "artefacts": config.artefacts or str(out / "artefacts")}
    made = as_the_papers(dataclasses.replace(config, **fields), typed, defaults)
    options = {"natural": natural} if natural and name in _AGAINST_NATURAL else {}
    paths = [made.data_dir, made.split, made.model_path]
    paths += values.start_files("--weights", made.weights).values()
    paths += [natural.data_dir] if options and natural else []
    tasks.append(Task(name, made, options, [contents(path) for path in paths]))
  return tasks


def _allowed(name: str, config: Config) -> bool:
  """Whether the experiment can be made of it."""
  try:
    check(name, config)
  except InputError:
    return False
  return True


def _instead(name: str, config: Config) -> dict[str, Any]:
  """What an experiment takes in the place of fields that it cannot obey."""
  defaults, fields = EXPERIMENTS[name].defaults, dict[str, Any]()
  if name == "volumes" and config.dataset not in VOLUMES:
    side = min(config.image_size, defaults["image_size"])  # cubed
    fields |= {"dataset": defaults["dataset"], "image_size": side, **_OF_THE_IMAGES}
  if name == "components":
    fields["aim"] = "mode"
  if defaults.get("hfc") and not EXPERIMENTS[name].every_attack:
    fields["attacks"] = config.attacks[:1]
  if defaults.get("hfc") and name not in _WITHOUT_HFC:
    fields["hfc"] = True
  return {field: value for field, value in fields.items() if value != getattr(config, field)}


def run(
  config: Config,
  write: Write,
  names: Sequence[str] = (),
  natural: Natural | None = None,
  budget_minutes: float | None = None,
  typed: Collection[str] | None = None,
) -> dict[str, Any]:
  """Runs what is missing and fits, and writes one page into config.out.

  Args:
    config: what all experiments share.
    write: writes the files of a result and returns what results.json holds.
    names: of the experiments; none: all.
    natural: images for what compares with them; None: not tested.
    budget_minutes: start no experiment that is expected to end later; None: all of them.
    typed: as for `plan`.

  Returns:
    What results.json holds: a row a claim, and "experiments" with what became of each.
  """
  begun, expected, spent = time.monotonic(), 0.0, 0.0
  tasks = plan(config, names, natural, typed)
  missing = [task for task in tasks if not task.done()]
  logging.info("%d of %d experiments are there already", len(tasks) - len(missing), len(tasks))
  state = {task.name: _DONE[0] for task in tasks if task not in missing}
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
      task.run(write)
      state[task.name] = _DONE[1]
    except InputError as error:
      logging.error("%s: %s", task.name, error)
      state[task.name] = f"failed: {error}"
    expected += EXPERIMENTS[task.name].minutes
    spent += (time.monotonic() - begun) / 60 - passed
    write(_result(config, tasks, state))
  return write(_result(config, tasks, state))


def _result(config: Config, tasks: Sequence[Task], state: Mapping[str, str]) -> Result:
  """What is there so far: the claims, what became of each experiment, and each one's section."""
  folders = {task.name: pathlib.Path(task.config.out)
             for task in tasks if state[task.name] in _DONE}  # fmt: skip
  done = {name: json.loads((out / "results.json").read_text()) for name, out in folders.items()}
  judged = claims.verdicts(done)
  sections = [
    claims.section(judged),
    Section(title="Experiments", tables=[tables.table("What was run.", state.items(), {
      "Experiment": lambda entry: EXPERIMENTS[entry[0]].title,
      "State": operator.itemgetter(1), "By": lambda entry: f"bin/{binary(entry[0])}",
    })]),
  ]  # fmt: skip
  for name, out in folders.items():
    section = read_section(out)
    title = f"{EXPERIMENTS[name].title}: {section.title}"
    sections.append(dataclasses.replace(section, title=title))
  drawn = any(results["data"]["source"] == "synthetic" for results in done.values())
  return Result(
    name="reproduce", config=config, rows=judged, title="The papers' experiments",
    sections=sections, summary={
      "data": {"name": config.dataset, "source": "synthetic" if drawn else ""},
      "papers_setting": deviations(config.resolved()),
      "experiments": dict(state),
      "warnings": [f"{name}: {text}" for name, each in done.items() for text in each["warnings"]],
    },
  )  # fmt: skip
