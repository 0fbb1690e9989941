"""The page that compares medical with natural images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from hfc_tf.report import arms
from hfc_tf.report.experiment import Section, Table
from hfc_tf.report.words import DATASETS, attack_label, number

if TYPE_CHECKING:
  from hfc_tf.experiments.medical_natural import Row

_SMALLEST = {"chest": 0.5, "cifar10": 8.0}  # 1/256, TMI section V.F
_NOTES = (
  "The smallest budget is that at which 95 % of the tuning images of AdvTrain reach their target, "
  "found by bisection to a factor of 1.19; the number of steps is the same at every budget.",
  arms.CELLS,
)


def section(
  attack: str,
  rows: Sequence[Row],
  smallest: Mapping[str, float | None],
  images: Mapping[str, str],
  tested: bool,
) -> Section:
  """What the experiment's page shows.

  Args:
    attack: its key. rows: of both domains.
    smallest: eps in 1/256 by domain. images: data set by domain.
    tested: whether there were natural images.
  """
  return Section(
    f"{attack_label(attack)} on medical and on natural images",
    list(_findings(rows, smallest, tested)),
    [_table(rows), _budgets(smallest, images), *_papers()],
    notes=_NOTES,
  )


def _findings(
  rows: Sequence[Row], smallest: Mapping[str, float | None], tested: bool
) -> Iterator[str]:
  for domain, eps in smallest.items():
    if domain == "natural" and not tested:
      yield "Natural images were not tested: none were given (--natural_dir)."
    elif eps is None:
      yield f"No budget that was tried moves 95 % of the {domain} images."
    else:
      yield f"{number(eps, 3)}/256 are enough to move 95 % of the {domain} images."
  found = arms.grouped(rows, "domain", "eps_256", "weight_rule")
  for (domain, eps, rule), own in found.items():
    if rule is not None:
      before = arms.mean_area(found.get((domain, eps, None), []))
      yield (
        f"With HFC ({rule}) at {number(eps, 3)}/256 the detectors' mean AUC on {domain} images "
        f"goes from {before} to {arms.mean_area(own)}."
      )


def _table(rows: Sequence[Row]) -> Table:
  return arms.detector_table(f"{arms.AREAS}, in both domains.", rows, {
    "Images": lambda row: DATASETS.get(row.dataset, row.dataset),
    "ε (1/256)": lambda row: f"{row.eps_256:g}",
    "HFC": arms.weight_words,
  })  # fmt: skip


def _budgets(smallest: Mapping[str, float | None], images: Mapping[str, str]) -> Table:
  body = []
  for domain, name in images.items():
    eps = smallest[domain]
    here = "not tested" if eps is None else number(eps, 3)
    theirs = number(_SMALLEST[name], 1) if name in _SMALLEST else "–"
    body.append([DATASETS.get(name, name), here, theirs])
  head = ["Images", "Here", "The papers"]
  return Table("Smallest ε (1/256) at which Adv. Acc is 95 % or more.", head, body)


def _papers() -> list[Table]:
  return arms.papers_table(
    "The papers: pooled AUC, percent (TMI, Table V).",
    ["Images"],
    [
      ([f"{DATASETS[images]}, {eps}/256, {words}"], side,
       {"table": "Table V", "dataset": images, "eps_256": eps})
      for images, eps in (("chest", 1), ("cifar10", 8), ("cifar10", 16))
      for side, words in arms.SIDES.items()
    ],
    last=(),
  )  # fmt: skip
