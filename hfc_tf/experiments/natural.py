"""Natural images, which experiments hold against medical ones, and the flags that name them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from absl import flags

from hfc_tf.data import DATASETS
from hfc_tf.errors import InputError
from hfc_tf.study import values

if TYPE_CHECKING:
  from hfc_tf.study.study import Study

flags.disclaim_key_flags()  # so that --help of a binary shows them as its own


@dataclasses.dataclass(frozen=True)
class Natural:
  """The natural images and how long their classifier is trained.

  Args:
    data_dir: folder or npz file.
    dataset: a key of DATASETS.
    num_images: so many, by class; None for all.
    image_size: their side in pixels.
    epochs: of training; ten classes take longer than two.
  """

  data_dir: str
  dataset: str = "cifar10"
  num_images: int | None = 20000
  image_size: int = 32
  epochs: int = 20

  def beside(self, study: Study, folder: str = "natural", **changes: Any) -> Study:
    """Their study: the backbone, settings and artefacts of the medical one, trained by itself.

    Args:
      study: the medical one.
      folder: in that of the medical one.
      changes: further fields of `Config` that differ.
    """
    apart = {**dataclasses.asdict(self), "split": None, "model_path": None, "preprocessing": "auto"}
    return study.beside(folder, **apart, **changes)


def define() -> Callable[[], Natural | None]:
  """Defines the flags --natural_*; returns what makes the images of them, None without a folder."""
  folder = flags.DEFINE_string(
    "natural_dir", None, "Folder or npz file of natural images; none: they are not tested."
  )
  default = Natural("")
  others: dict[str, flags.FlagHolder[Any]] = {
    "dataset": flags.DEFINE_string(
      "natural_dataset", default.dataset, "How --natural_dir is read."
    ),
    "num_images": flags.DEFINE_integer(
      "natural_images", default.num_images, "Use only so many, by class."
    ),
    "image_size": flags.DEFINE_integer("natural_size", default.image_size, "Their side in pixels."),
    "epochs": flags.DEFINE_integer("natural_epochs", default.epochs, "Of their training."),
  }

  def natural() -> Natural | None:
    if folder.value is None:
      vain = [f"--{flag.name}" for flag in others.values() if flag.present]
      if vain:
        raise InputError(f"--natural_dir with {', '.join(vain)}", "none", "add it")
      return None
    made = Natural(folder.value, **{name: flag.value for name, flag in others.items()})
    values.readable("--natural_dir", made.data_dir)
    values.among("--natural_dataset", made.dataset, DATASETS)
    values.whole("--natural_images", made.num_images)
    values.whole("--natural_size", made.image_size, 8, 4096)
    values.whole("--natural_epochs", made.epochs)
    return made

  return natural
