"""The two papers' published figures, to stand beside ours."""

import dataclasses
import functools
import importlib.resources
import json
from typing import Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class PublishedCell:
  """One cell of a published table, in percent unless `metric` is an activation's mean.

  `without` and `with_hfc` are the two sides of the papers' slash or arrow; `value` stands where a
  table has no such pair. `page` is None: the texts carry no page numbers.
  """

  paper: str
  table: str
  page: int | None
  setting: str
  dataset: str
  classifier: str | None
  attack: str | None
  eps_256: float | None
  detector: str | None
  metric: str
  without: float | None = None
  with_hfc: float | None = None
  value: float | None = None
  components: int | None = None
  layer: int | None = None
  lesion_size: str | None = None
  lesion_count: int | None = None

  @property
  def source(self) -> str:
    """Paper and table (and page where it is known), as a reader would cite them."""
    return f"{self.paper}, {self.table}" + (f", p. {self.page}" if self.page else "")


AUC = {  # of the attacked classifiers
  ("fundus", "resnet50"): 0.995,
  ("fundus", "vgg16"): 0.993,
  ("chest", "resnet50"): 0.970,
  ("chest", "vgg16"): 0.965,
}
ACCURACY = {  # of the same: 1 - dropped / a fifth of all images, in TMI's text
  ("fundus", "resnet50"): 1 - 7 / 733,
  ("chest", "resnet50"): 1 - 101 / 1173,
  ("brain", "resnet18_3d"): 1 - 50 / 297,
}


@functools.cache
def _file() -> dict[str, Any]:
  place = importlib.resources.files("hfc_tf.results").joinpath("papers.json")
  loaded: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
  return loaded


@functools.cache
def _cells() -> tuple[PublishedCell, ...]:
  return tuple(
    PublishedCell(**{("with_hfc" if key == "with" else key): item for key, item in cell.items()})
    for cell in _file()["cells"]
  )


def cells(**fields: Any) -> list[PublishedCell]:
  """The published cells with these fields, in the order of the papers; all where none are named."""
  return [
    cell for cell in _cells() if all(getattr(cell, name) == value for name, value in fields.items())
  ]


def remarks(source: str, dataset: str | None = None, attack: str | None = None) -> list[str]:
  """What is known to be inconsistent in one table.

  Args:
    source: the table, as `PublishedCell.source` names it.
    dataset: only what concerns this data set; None for all.
    attack: only what concerns this attack; None for all.
  """
  return [
    (f"{source}: " if len(entry["tables"]) == 1 else "") + entry["remark"]
    for entry in _file()["remarks"]
    if source in entry["tables"]
    and (dataset is None or entry.get("dataset") in (None, dataset))
    and (attack is None or attack in entry.get("attacks", [attack]))
  ]


def reference(paper: str) -> str:
  """The bibliographic reference of a paper, by its key in the cells."""
  return str(_file()["papers"][paper])
