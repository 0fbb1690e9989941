"""Natural images, which experiments hold against medical ones."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

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
  """

  data_dir: str
  dataset: str = "cifar10"
  num_images: int | None = 20000
  image_size: int = 32
  epochs: int = 20

  def beside(self, study: Study, folder: str = "natural", **changes: Any) -> Study:
    """Their study in a folder of the medical one's, with its settings but for `changes`."""
    apart = {**dataclasses.asdict(self), "split": None, "model_path": None, "preprocessing": "auto"}
    return study.beside(folder, **apart, **changes)
