"""One experiment of bin/reproduce: in a folder of its own, made again only where it changed."""

from __future__ import annotations

import dataclasses
import importlib
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import logging

from hfc_tf.experiments import EXPERIMENTS
from hfc_tf.experiments.natural import Natural
from hfc_tf.results.result import Result
from hfc_tf.storage.files import write_files
from hfc_tf.storage.hashing import digest
from hfc_tf.storage.keys import VERSIONS
from hfc_tf.storage.store import checksums, damage
from hfc_tf.study.config import Config

Write = Callable[[Result], dict[str, Any]]  # hfc_tf.report.write
PER_ATTACK = ("detection", "volumes")  # take longer the more attacks there are
_ASKED = "asked.json"
_FILES = ("results.*", "report.html", "[cs]*.json", "figures/*.png")


@dataclasses.dataclass(frozen=True)
class Task:
  """An experiment as it is to be run, in a folder of its own that shares all artefacts.

  Attributes:
    contents: hashes of the files that the configuration and the options name.
    images: of which data set and backbone it is, where there are several; else "".
    shortens: whether some of its attacks may be left out where time is short.
    notes: what it takes in place of what was asked for.
  """

  name: str
  config: Config
  options: Mapping[str, Any]
  contents: Sequence[str | None]
  images: str = ""
  shortens: bool = False
  notes: Sequence[str] = ()

  @property
  def label(self) -> str:
    """Its name, with its images where there are several."""
    return f"{self.images}/{self.name}" if self.images else self.name

  @property
  def title(self) -> str:
    """What its section of the page is called."""
    title = EXPERIMENTS[self.name].title
    return f"{self.images}: {title}" if self.images else title

  @property
  def minutes(self) -> float:
    """What it is expected to take, see `Experiment`."""
    attacks = len(self.config.attacks) if self.name in PER_ATTACK else 1
    return EXPERIMENTS[self.name].minutes * (1 + attacks) / 2

  @property
  def key(self) -> str:
    """Hashes what is asked for; a folder holding it is finished."""
    return digest(self.name, self.config, self.options, self.contents, VERSIONS)

  def within(self, minutes: float) -> Task:
    """The same with the first of its attacks, as many as fit, where they may be left out."""
    task = self
    while task.shortens and len(task.config.attacks) > 1 and task.minutes > minutes:
      fewer = dataclasses.replace(task.config, attacks=task.config.attacks[:-1])
      task = dataclasses.replace(task, config=fewer)
    return task if task.minutes <= minutes else self

  def done(self) -> bool:
    """Whether the results are there, whole, and those asked for; damage is told."""
    folder = pathlib.Path(self.config.out)
    try:
      asked, broken = json.loads((folder / _ASKED).read_text())["asked"], damage(folder, _ASKED)
    except FileNotFoundError:
      return False
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
      asked, broken = self.key, f"{_ASKED}: {type(error).__name__}"
    if broken and asked == self.key:
      logging.warning("%s is damaged (%s); it is made again", folder, broken)
    return broken is None and bool(asked == self.key)

  def run(self, write: Write) -> None:
    """Makes the results, and says last that they are there."""
    module = importlib.import_module(EXPERIMENTS[self.name].module)
    result = module.run(self.config, **self.options)
    flags: dict[str, Any] = {}
    for name, option in self.options.items():
      flags |= option.flags() if isinstance(option, Natural) else {name: ",".join(option)}
    write(dataclasses.replace(result, summary={**result.summary, "options": flags}))
    folder = pathlib.Path(self.config.out)
    names = [path.relative_to(folder) for pattern in _FILES for path in folder.glob(pattern)]
    asked = {"asked": self.key, "files": checksums(folder, map(str, names))}
    write_files(folder, {_ASKED: json.dumps(asked, indent=1).encode()})
