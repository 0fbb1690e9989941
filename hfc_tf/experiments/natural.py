"""Natural images, which experiments hold against medical ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hfc_tf.data import OPTIONS

if TYPE_CHECKING:
  from hfc_tf.study.study import Study


@dataclasses.dataclass(frozen=True)
class Natural:
  """The natural images and how long their classifier is trained.

  Args:
    data_dir: folder or npz file.
    dataset: a key of DATASETS.
    num_images: so many, by class; None for all.
    image_size: their side in pixels.
    epochs: of training; ten classes take longer than two.
    model_path: a Keras model of these classes; None: one is trained.
    preprocessing: what that wants of images, as --preprocessing says.
    classes: in the order of its outputs; None: as the data have them.
  """

  data_dir: str
  dataset: str = "cifar10"
  num_images: int | None = 20000
  image_size: int = 32
  epochs: int = 20
  model_path: str | None = None
  preprocessing: str = "auto"
  classes: tuple[str, ...] | None = None

  def flags(self) -> dict[str, Any]:
    """The flags that name them, by the name of the flag."""
    renamed = {"data_dir": "natural_dir", "num_images": "natural_images",
               "image_size": "natural_size"}  # fmt: skip
    given = {renamed.get(name, f"natural_{name}"): value for name, value in vars(self).items()}
    if self.model_path:
      del given["natural_epochs"]
    else:
      del given["natural_preprocessing"]
    if self.classes:
      given["natural_classes"] = ",".join(self.classes)
    return {flag: value for flag, value in given.items() if value is not None}

  def beside(self, study: Study, folder: str = "natural", **changes: Any) -> Study:
    """Their study in a folder of the medical one's, with its settings but for `changes`."""
    apart = {**dict.fromkeys(OPTIONS), "split": None, "crop": None, **dataclasses.asdict(self)}
    return study.beside(folder, **apart, **changes)


def with_natural(studies: Mapping[str, Study]) -> dict[str, Any]:
  """The summary of the study "medical", with what is to be said of "natural" if that is there."""
  from hfc_tf.experiments.common import summary

  described = summary(studies["medical"])
  warnings = [f"{name}: {text}" for name, study in studies.items() for text in study.warnings]
  sources = {study.sources.dataset.source for study in studies.values()}
  if len(sources) > 1 and "synthetic" in sources:
    warnings.append(
      "The medical images are synthetic, drawn by a program; the natural ones are real."
    )
    described["data"] |= {"source": "mixed"}
  if "natural" in studies:
    natural = summary(studies["natural"])
    del natural["timing"]["total"]
    described["timing"] |= {f"natural {name}": each for name, each in natural["timing"].items()}
    for key in ("data", "classifier"):
      described[key] |= {"natural": natural[key]}
  return described | {"warnings": warnings}
