"""The flags that every experiment shares, made of the fields of `Config`, and back."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator
from typing import Any

from absl import flags

from hfc_tf.errors import InputError
from hfc_tf.study.config import Config
from hfc_tf.study.flags import without_effect

flags.disclaim_key_flags()  # so that --help of a command shows them as its own

_KINDS: dict[Any, Callable[..., Any]] = {
  str: flags.DEFINE_string,
  int: flags.DEFINE_integer,
  float: flags.DEFINE_float,
  bool: flags.DEFINE_boolean,
  tuple[str, ...]: flags.DEFINE_list,
}


def define(
  values: flags.FlagValues = flags.FLAGS,
  /,
  *,
  hides: bool = False,
  trains_others: bool = False,
  **defaults: Any,
) -> Callable[[], Config]:
  """Defines the common flags.

  Args:
    values: where they are defined.
    hides: whether the command adds the HFC term whatever --hfc says.
    trains_others: whether it trains classifiers beside the one of --model_path.
    defaults: fields of `Config` whose default differs in this command.

  Returns:
    What makes the `Config` once the flags are parsed; it refuses flags without an effect.
  """
  start, types, holders = Config(**defaults), typing.get_type_hints(Config), {}
  for field, name, text in _flags():
    default = getattr(start, field)
    if isinstance(default, tuple):
      default = list(default)
    (kind,) = (kind for kind in _KINDS if types[field] in (kind, kind | None))
    holders[field] = _KINDS[kind](name, default, text, flag_values=values)

  def config() -> Config:
    given = {field: holder.value for field, holder in holders.items()}
    if given["out"] == start.out != Config.out:  # folders of their own, one of artefacts for all
      given["artefacts"] = given["artefacts"] or f"{Config.out}/artefacts"
    lists = {field: tuple(value) for field, value in given.items() if isinstance(value, list)}
    made = dataclasses.replace(start, **(given | lists))
    for name, needed in without_effect(vars(made), hides, trains_others).items():
      several = name in ("depth", "window") and "datasets" in values and values["datasets"].present
      if values[name].present and not several:
        raise InputError(f"{needed} with --{name}", "another command line", f"leave out --{name}")
    return made

  return config


def typed(values: flags.FlagValues = flags.FLAGS) -> set[str]:
  """The fields of `Config` whose flags stand on the command line, be it with the default value."""
  return {field for field, name, _ in _flags() if values[name].present}


def _flags() -> Iterator[tuple[str, str, str]]:
  """Each field of `Config` with the name of its flag and its help."""
  for field in dataclasses.fields(Config):
    yield field.name, field.metadata["flag"] or field.name, field.metadata["help"]
