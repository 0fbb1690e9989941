"""Flags: those that every experiment shares, made of the fields of `Config`, and those of a few.

They are checked without TensorFlow.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from absl import flags

from hfc_tf.data import DATASETS, classes, hub
from hfc_tf.errors import InputError
from hfc_tf.experiments.natural import Natural
from hfc_tf.study import values
from hfc_tf.study.config import PREPROCESSING, Config
from hfc_tf.study.flags import without_effect
from hfc_tf.study.setting import as_the_papers, model_side, usual_side
from hfc_tf.variants import joined

flags.disclaim_key_flags()  # so that --help of a command shows them as its own


class _List(flags.ListParser):
  """Entries with commas between them; commas in parentheses belong to an entry."""

  def parse(self, argument: Any) -> list[str]:
    return joined(super().parse(argument))


def _list(name: str, default: Any, text: str, **more: Any) -> Any:
  serializer = flags.CsvListSerializer(",")
  return flags.DEFINE(_List(), name, default, text, serializer=serializer, **more)


_KINDS: dict[Any, Callable[..., Any]] = {
  str: flags.DEFINE_string,
  int: flags.DEFINE_integer,
  float: flags.DEFINE_float,
  bool: flags.DEFINE_boolean,
  tuple[str, ...]: _list,
}
Option = Callable[[], Any]  # gives a flag's checked value, or None: an argument keeps its default


def define(
  place: flags.FlagValues = flags.FLAGS,
  /,
  *,
  hides: bool = False,
  trains_others: bool = False,
  several_budgets: bool = False,
  **defaults: Any,
) -> Callable[[], Config]:
  """Defines the common flags; returns what makes the `Config`, and refuses flags without an effect.

  Args:
    place: where they are defined.
    hides, trains_others, several_budgets: as those of `without_effect`.
    defaults: fields of `Config` whose default differs in this command.
  """
  start, types, holders = Config(**defaults), typing.get_type_hints(Config), {}
  for field, name, text in _flags():
    default = getattr(start, field)
    if isinstance(default, tuple):
      default = list(default)
    (kind,) = (kind for kind in _KINDS if types[field] in (kind, kind | None))
    holders[field] = _KINDS[kind](name, default, text, flag_values=place)

  def config() -> Config:
    given = {field: holder.value for field, holder in holders.items()}
    if given["out"] == start.out != Config.out:  # folders of their own, one of artefacts for all
      given["artefacts"] = given["artefacts"] or f"{Config.out}/artefacts"
    lists = {field: tuple(value) for field, value in given.items() if isinstance(value, list)}
    if "classes" in lists:
      lists["classes"] = classes.read(lists["classes"])
    made = dataclasses.replace(start, **(given | lists))
    if "image_size" not in typed(place):
      made = dataclasses.replace(made, image_size=usual_side(made))
    made = as_the_papers(made, typed(place), defaults)
    of_hub = made.dataset if "/" in made.dataset and not made.data_dir else None
    if of_hub:
      made = dataclasses.replace(made, dataset="npz", data_dir=of_hub)
    for name, needed in without_effect(vars(made), hides, trains_others, several_budgets).items():
      several = name in ("depth", "window") and "datasets" in place and place["datasets"].present
      if place[name].present and not several:
        raise InputError(f"{needed} with --{name}", "another command line", f"leave out --{name}")
    if of_hub:  # when all else is right
      made = dataclasses.replace(made, data_dir=str(hub.fetch(of_hub, made.image_size)))
    return made

  return config


def typed(place: flags.FlagValues = flags.FLAGS) -> set[str]:
  """The fields of `Config` whose flags stand on the command line, be it with the default value."""
  return {field for field, name, _ in _flags() if place[name].present}


def _flags() -> Iterator[tuple[str, str, str]]:
  """Each field of `Config` with the name of its flag and its help."""
  for field in dataclasses.fields(Config):
    yield field.name, field.metadata["flag"] or field.name, field.metadata["help"]


def checked(flag: flags.FlagHolder[Any], check: Callable[[str, Any], object]) -> Option:
  """The value of a flag after `check("--name", value)`."""

  def value() -> Any:
    check(f"--{flag.name}", flag.value)
    return flag.value

  return value


def names(
  name: str, text: str, known: Iterable[str] | None = None, default: list[str] | None = None
) -> Option:
  """A list without repetition, of `known` names if there are such."""
  flag = flags.DEFINE_list(name, default, text)
  return checked(flag, lambda label, value: values.several(label, value, known))


def budgets(name: str, text: str, default: list[float] | None = None) -> Option:
  """Values of eps in 1/256, given one by one."""
  return checked(flags.DEFINE_multi_float(name, default, text), values.budgets)


def number(name: str, text: str, default: int | None, low: int = 1, high: int = 10**6) -> Option:
  """An integer from `low` to `high`."""
  flag = flags.DEFINE_integer(name, default, text)
  return checked(flag, lambda label, value: values.whole(label, value, low, high))


def datasets(text: str) -> Option:
  """Data sets as NAME, NAME=FOLDER or, of another side, NAME:SIDE=FOLDER, each once."""
  flag = flags.DEFINE_list("datasets", None, text)
  return checked(flag, lambda label, entries: values.images(label, entries, DATASETS))


def natural() -> Option:
  """Natural images by the flags --natural_*; None without a folder."""
  text = "Folder or npz file of natural images; none: they are not tested."
  folder = flags.DEFINE_string("natural_dir", None, text)
  default = Natural("")
  dataset = flags.DEFINE_string("natural_dataset", default.dataset, "How --natural_dir is read.")
  path = flags.DEFINE_string("natural_model_path", None, "A Keras model of their classes.")
  mode = flags.DEFINE_string("natural_preprocessing", None, "As --preprocessing, of that model.")
  order = flags.DEFINE_list("natural_classes", None, "As --classes, of that model.")
  options = {
    "data_dir": checked(folder, values.readable),
    "model_path": checked(path, values.file),
    "preprocessing": checked(mode, lambda label, x: values.among(label, x, PREPROCESSING)),
    "classes": checked(order, values.several),
    "dataset": checked(dataset, lambda label, value: values.among(label, value, DATASETS)),
    "num_images": number("natural_images", "Use only so many, by class.", default.num_images),
    "image_size": number(
      "natural_size", "Their side in pixels; with --natural_model_path its own.",
      default.image_size, 8, 4096,
    ),
    "epochs": number("natural_epochs", "Of their training.", default.epochs),
  }
  others = ("dataset", "images", "size", "epochs", "model_path", "preprocessing", "classes")

  def images() -> Natural | None:
    if folder.value is not None:
      given = {name: option() for name, option in options.items()}
      given["preprocessing"] = given["preprocessing"] or default.preprocessing
      given["classes"] = given["classes"] and classes.read(given["classes"])
      for of_model in (mode, order):
        if path.value is None and of_model.value is not None:
          raise InputError(f"--natural_model_path with --{of_model.name}", "none", "add it")
      if path.value is not None and flags.FLAGS["natural_epochs"].present:
        expected = "no --natural_model_path with --natural_epochs"
        raise InputError(expected, path.value, "leave one out")
      if path.value is not None and not flags.FLAGS["natural_size"].present:
        given["image_size"] = model_side(path.value) or default.image_size
      return Natural(**given)
    vain = [f"--natural_{name}" for name in others if flags.FLAGS[f"natural_{name}"].present]
    if vain:
      raise InputError(f"--natural_dir with {', '.join(vain)}", "none", "add it")
    return None

  return images
