"""Flags of single commands: each function defines some, and returns what gives the checked value.

They are checked without TensorFlow, and None leaves an argument of the experiment at its default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from absl import flags

from hfc_tf.data import DATASETS
from hfc_tf.errors import InputError
from hfc_tf.experiments.natural import Natural
from hfc_tf.study import values

flags.disclaim_key_flags()  # so that --help of a command shows them as its own

Option = Callable[[], Any]


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


def natural() -> Option:
  """Natural images by the flags --natural_*; None without a folder."""
  folder = flags.DEFINE_string(
    "natural_dir", None, "Folder or npz file of natural images; none: they are not tested."
  )
  default = Natural("")
  dataset = flags.DEFINE_string(
    "natural_dataset", default.dataset, "How --natural_dir is read."
  )  # fmt: skip
  options = {
    "data_dir": checked(folder, values.readable),
    "dataset": checked(dataset, lambda label, value: values.among(label, value, DATASETS)),
    "num_images": number("natural_images", "Use only so many, by class.", default.num_images),
    "image_size": number("natural_size", "Their side in pixels.", default.image_size, 8, 4096),
    "epochs": number("natural_epochs", "Of their training.", default.epochs),
  }
  others = ("natural_dataset", "natural_images", "natural_size", "natural_epochs")

  def images() -> Natural | None:
    if folder.value is not None:
      return Natural(**{name: option() for name, option in options.items()})
    vain = [f"--{name}" for name in others if flags.FLAGS[name].present]
    if vain:
      raise InputError(f"--natural_dir with {', '.join(vain)}", "none", "add it")
    return None

  return images
