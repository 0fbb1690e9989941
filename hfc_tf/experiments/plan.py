"""What bin/reproduce runs: a task for every experiment, data set and backbone."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import itertools
import json
import pathlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from absl import logging

from hfc_tf.data import OPTIONS, volumetric
from hfc_tf.errors import InputError
from hfc_tf.experiments import EXPERIMENTS, check
from hfc_tf.experiments.natural import Natural
from hfc_tf.results.result import Result
from hfc_tf.storage.files import write_files
from hfc_tf.storage.hashing import digest, path_digest
from hfc_tf.storage.keys import VERSIONS
from hfc_tf.storage.store import checksums, damage
from hfc_tf.study import values
from hfc_tf.study.config import Config
from hfc_tf.study.setting import as_the_papers

Write = Callable[[Result], dict[str, Any]]  # hfc_tf.report.write
_ASKED = "asked.json"
_FILES = ("results.*", "report.html", "[cs]*.json", "figures/*.png")
_AGAINST_NATURAL = ("gradient_direction", "medical_natural", "stress_test")
_OF_MEDICAL = ("medical_natural", "stress_test", "ood", "volumes")  # not made of natural images
_NATURAL = "cifar10"
_WITHOUT_HFC = ("detection", "tsne")  # can be made with --nohfc
_PER_ATTACK = ("detection", "volumes")  # take longer the more attacks there are
_OF_THE_IMAGES: dict[str, Any] = dict.fromkeys((
  "data_dir", "split", "model", "model_path", "weights", "crop", *OPTIONS,
))  # fmt: skip
_UNUSED = {  # what an experiment attacks, and fields that it does not obey
  "stress_test": ("layers by BIM at 8/256 and 1/256", "attacks", "eps_256", "steps"),
  "medical_natural": ("natural images at 8/256 and 16/256", "eps_256"),
}


@dataclasses.dataclass(frozen=True)
class Task:
  """An experiment as it is to be run, in a folder of its own that shares all artefacts.

  Attributes:
    contents: hashes of the files that the configuration and the options name.
    images: of which data set and backbone it is, where there are several; else "".
    shortens: whether some of its attacks may be left out where time is short.
  """

  name: str
  config: Config
  options: Mapping[str, Any]
  contents: Sequence[str | None]
  images: str = ""
  shortens: bool = False

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
    attacks = len(self.config.attacks) if self.name in _PER_ATTACK else 1
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
    flags = {name: value for each in self.options.values() for name, value in each.flags().items()}
    write(dataclasses.replace(result, summary={**result.summary, "options": flags}))
    folder = pathlib.Path(self.config.out)
    names = [path.relative_to(folder) for pattern in _FILES for path in folder.glob(pattern)]
    asked = {"asked": self.key, "files": checksums(folder, map(str, names))}
    write_files(folder, {_ASKED: json.dumps(asked, indent=1).encode()})


def plan(
  config: Config,
  names: Sequence[str],
  natural: Natural | None,
  typed: Collection[str] | None = None,
  datasets: Sequence[str] = (),
  models: Sequence[str] = (),
) -> list[Task]:
  """The tasks, in the order of EXPERIMENTS.

  Args:
    config: what all share.
    names: of the experiments; none: all that `config` allows.
    natural: images for those that compare with them, if any; None: CIFAR-10 if it is in `datasets`.
    typed: the fields of `config` that the user chose, which hold in every experiment that can obey
      them; of the others an experiment's own defaults come on top. None: those that differ from
      the defaults of `Config`.
    datasets: as `values.images_of` reads them; none: that of `config`.
    models: keys of MODELS, of images that are no volumes; none: that of `config`.

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
  out, artefacts = pathlib.Path(config.out), config.artefacts or f"{config.out}/artefacts"
  contents = functools.cache(lambda path: path and path_digest(path, without=out))
  studies = _studies(config, typed, datasets, models)
  of_volumes = {images: volumetric(each.dataset, each.data_dir) for images, each, _ in studies}
  known = [each for _, each, _ in studies if each.dataset == _NATURAL and each.data_dir]
  if natural is None and known and len(studies) > 1:
    natural = Natural(str(known[0].data_dir), image_size=known[0].image_size)
  tasks = []
  for name, (images, study, chosen) in itertools.product(EXPERIMENTS, studies):
    fits = _allowed(name, study) and (not images or _suits(name, images, study, of_volumes))
    if not (name in names if names else fits):
      continue
    defaults = EXPERIMENTS[name].defaults
    fields = {field: value for field, value in defaults.items() if field not in chosen}
    instead = _instead(name, study, of_volumes[images])
    taken = {field: value for field, value in instead.items() if field in chosen}
    if taken:
      flags = ", ".join(f"{field}={value}" for field, value in taken.items())
      logging.warning("%s cannot be made with all flags: it takes %s", name, flags)
    if vain := [field for field in _UNUSED.get(name, ("",))[1:] if field in typed]:
      logging.warning("%s attacks %s, whatever %s says", name, _UNUSED[name][0], ", ".join(vain))
    fields |= instead
    fields |= {"out": str(out / images / name), "artefacts": artefacts}
    made = as_the_papers(dataclasses.replace(study, **fields), chosen, defaults)
    against = natural and name in _AGAINST_NATURAL and study.dataset != _NATURAL
    options = {"natural": natural} if against and not of_volumes[images] else {}
    paths = [made.data_dir, made.split, made.model_path, made.labels, made.groups]
    paths += values.start_files("--weights", made.weights).values()
    paths += [natural.data_dir, natural.model_path] if options and natural else []
    shortens = name in _PER_ATTACK and "attacks" not in chosen
    tasks.append(Task(name, made, options, [contents(path) for path in paths], images, shortens))
  return tasks


def _studies(
  config: Config, typed: Collection[str], datasets: Sequence[str], models: Sequence[str]
) -> list[tuple[str, Config, set[str]]]:
  """Data sets and backbones: what each is called, its configuration, and what the user chose."""
  entries = [values.images_of(entry) for entry in datasets]
  if config.model_path and entries and config.dataset not in [name for name, _, _ in entries]:
    expected = "--dataset with the images of --model_path, one of --datasets"
    raise InputError(expected, config.dataset, "name it")
  studies = []
  for name, side, folder in entries or [(config.dataset, None, config.data_dir)]:
    same = name == config.dataset
    data_dir = folder or (config.data_dir if same else None)
    volumes = volumetric(name, data_dir)
    fields: dict[str, Any] = {"dataset": name, "data_dir": data_dir}
    fields |= {} if same else {"split": None, "model_path": None, "preprocessing": "auto",
                              **dict.fromkeys(OPTIONS)}  # fmt: skip
    fields |= {} if volumes or not entries else {"crop": None, "depth": None, "window": None}
    usual: dict[str, Any] = {"image_size": 32} if volumes and entries else {}
    if name == _NATURAL and entries:
      natural = Natural("")
      usual = {field: getattr(natural, field) for field in ("image_size", "epochs", "num_images")}
    given = {*(fields if entries else ()), *usual, *(("image_size",) if side else ())}
    if usual and not side and "image_size" in typed:
      logging.warning("%s takes image_size=%d, or NAME:SIDE", name, usual["image_size"])
    usual = {field: value for field, value in usual.items()
             if field == "image_size" or field not in typed}  # fmt: skip
    fields |= usual | ({"image_size": side} if side else {})
    for model in (models if not volumes and models else [None]):
      network = {"model": model, "model_path": None} if model else {}
      images = "_".join(filter(None, (
        name if len(entries) > 1 else "", model if len(models) > 1 else "",
      )))  # fmt: skip
      made = dataclasses.replace(config, **{**fields, **network})
      studies.append((images, made, {*typed, *given, *network}))
  values.several("--datasets", [images for images, _, _ in studies])
  return studies


def _suits(name: str, images: str, config: Config, of_volumes: Mapping[str, bool]) -> bool:
  """Whether one of several data sets takes part: volumes where there are some, else once."""
  if name == "volumes":
    return of_volumes[images] if any(of_volumes.values()) else images == next(iter(of_volumes))
  return not of_volumes[images] and not (config.dataset == _NATURAL and name in _OF_MEDICAL)


def _allowed(name: str, config: Config) -> bool:
  """Whether the experiment can be made of it."""
  try:
    check(name, config)
  except InputError:
    return False
  return True


def _instead(name: str, config: Config, of_volumes: bool) -> dict[str, Any]:
  """What an experiment takes in the place of fields that it cannot obey."""
  defaults, fields = EXPERIMENTS[name].defaults, dict[str, Any]()
  if name == "volumes" and not of_volumes:
    side = min(config.image_size, defaults["image_size"])  # cubed
    fields |= {"dataset": defaults["dataset"], "image_size": side, **_OF_THE_IMAGES}
  if name == "components":
    fields |= {"aim": "mode", "hfc_weights": config.hfc_weights[:1]}
  if defaults.get("hfc") and not EXPERIMENTS[name].every_attack:
    fields["attacks"] = config.attacks[:1]
  if defaults.get("hfc") and name not in _WITHOUT_HFC:
    fields["hfc"] = True
  return {field: value for field, value in fields.items() if value != getattr(config, field)}
