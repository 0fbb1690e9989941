"""What bin/reproduce runs: a task for every experiment, data set and backbone."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from absl import logging

from hfc_tf.data import OPTIONS, volumetric
from hfc_tf.errors import InputError
from hfc_tf.experiments import EXPERIMENTS, check
from hfc_tf.experiments.natural import Natural
from hfc_tf.experiments.task import PER_ATTACK, Task
from hfc_tf.storage.hashing import path_digest
from hfc_tf.study import values
from hfc_tf.study.config import Config
from hfc_tf.study.setting import as_the_papers

_AGAINST_NATURAL = ("gradient_direction", "medical_natural", "stress_test")
_OF_MEDICAL = ("medical_natural", "stress_test", "ood", "volumes")  # not made of natural images
_NATURAL = "cifar10"
_WITHOUT_HFC = ("detection", "tsne")  # can be made with --nohfc
_OF_THE_IMAGES: dict[str, Any] = dict.fromkeys((
  "data_dir", "split", "model", "model_path", "weights", "crop", *OPTIONS,
))  # fmt: skip
_UNUSED = {  # what an experiment attacks, and fields that it does not obey
  "stress_test": ("layers by BIM at 8/256 and 1/256", "attacks", "eps_256", "steps"),
  "medical_natural": ("natural images at 8/256 and 16/256", "eps_256"),
}


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
  flat = _beside_volumes(studies, of_volumes)
  tasks = []
  for name, (images, study, chosen) in itertools.product(EXPERIMENTS, studies):
    fits = _allowed(name, study) and (not images or _suits(name, images, study, of_volumes))
    if not (name in names if names else fits):
      continue
    defaults = EXPERIMENTS[name].defaults
    fields = {field: value for field, value in defaults.items() if field not in chosen}
    instead = _instead(name, study, of_volumes[images])
    notes: list[str] = []
    taken = {field: value for field, value in instead.items() if field in chosen}
    if taken:
      flags = ", ".join(f"{field}={value}" for field, value in taken.items())
      notes.append(f"{name} cannot be made with all flags: it takes {flags}")
    if vain := [field for field in _UNUSED.get(name, ("",))[1:] if field in typed]:
      notes.append(f"{name} attacks {_UNUSED[name][0]}, whatever {', '.join(vain)} says")
    for note in notes:
      logging.warning("%s", note)
    fields |= instead
    fields |= {"out": str(out / images / name), "artefacts": artefacts}
    made = as_the_papers(dataclasses.replace(study, **fields), chosen, defaults)
    against = natural and name in _AGAINST_NATURAL and study.dataset != _NATURAL
    options: dict[str, Any] = {}
    if against and not of_volumes[images]:
      options["natural"] = natural
    if name == "volumes" and flat:
      options["datasets"] = tuple(flat)
    paths = [made.data_dir, made.split, made.model_path, made.labels, made.groups]
    paths += values.start_files("--weights", made.weights).values()
    paths += [natural.data_dir, natural.model_path] if "natural" in options and natural else []
    paths += [values.images_of(entry)[2] for entry in options.get("datasets", ())]
    shortens = name in PER_ATTACK and "attacks" not in chosen
    files = [contents(path) for path in paths]
    tasks.append(Task(name, made, options, files, images, shortens, notes))
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
      of_the_model = ["image_size"] if made.model_path else []
      studies.append((images, made, {*typed, *given, *network, *of_the_model}))
  values.several("--datasets", [images for images, _, _ in studies])
  return studies


def _beside_volumes(
  studies: Sequence[tuple[str, Config, set[str]]], of_volumes: Mapping[str, bool]
) -> list[str]:
  """Medical images whose curves stand beside those of volumes, each set once, as --datasets."""
  flat = [each for images, each, _ in studies if images and not of_volumes[images]]
  return list(dict.fromkeys(
    f"{each.dataset}:{each.image_size}" + (f"={each.data_dir}" if each.data_dir else "")
    for each in flat if each.dataset != _NATURAL
  ))  # fmt: skip


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
    fields["aim"] = "mode"
  if defaults.get("hfc") and not EXPERIMENTS[name].every_attack:
    fields["attacks"] = config.attacks[:1]
  if defaults.get("hfc") and name not in _WITHOUT_HFC:
    fields["hfc"] = True
  return {field: value for field, value in fields.items() if value != getattr(config, field)}
