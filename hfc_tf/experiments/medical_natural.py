"""Are medical images easier to attack, and easier to hide in, than natural ones?

TMI Table V: detection without and with HFC on chest X-rays at 1/256 and on CIFAR-10 at 8/256 and
16/256; and TMI section V.F: the smallest budget with Adv. Acc >= 95 % in both domains.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hfc_tf.experiments.budget import over_budget
from hfc_tf.experiments.common import budgets, fixed, hfc_study, labelled_rows, study_result
from hfc_tf.experiments.natural import Natural, with_natural
from hfc_tf.results import tables
from hfc_tf.results.labels import attack_label, dataset_label, hfc_label, number
from hfc_tf.results.result import Result, Table
from hfc_tf.results.rows import DomainRow, PairRow
from hfc_tf.study import comparison, hfc_weight
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study

NATURAL_BUDGETS = (8.0, 16.0)  # 1/256, TMI Table V
_SMALLEST = {"chest": 0.5, "cifar10": 8.0}  # 1/256, TMI section V.F
_NOTES = (
  "The smallest budget is that at which 95 % of the tuning images of AdvTrain reach their target, "
  f"by bisection to a factor of 1.19. {tables.CELLS}",
)


def run(
  config: Config, natural: Natural | None = None, budgets_256: Sequence[float] = NATURAL_BUDGETS
) -> Result:
  """Attacks both domains.

  Args:
    config: of the medical images; its first attack is made without and with HFC.
    natural: the other images; None where there are none.
    budgets_256: values of eps for them, in 1/256.

  Returns:
    The result, whose summary holds "smallest_eps_256" by domain; None where not tested or none.
  """
  medical, name = hfc_study(config)
  smallest: dict[str, float | None] = {"medical": _smallest(medical, name), "natural": None}
  studies = {"medical": medical}
  rows = list(_rows(medical, "medical", [comparison.compare(medical, name)]))
  paired: list[PairRow] = []
  if natural is not None:
    anew: dict[str, Any] = {"steps" if medical.config.fixed == "step" else "step_size_256": None}
    other = natural.beside(medical, eps_256=budgets_256[0], **anew)
    wanted = budgets(other, budgets_256, ())
    smallest["natural"] = _smallest(other, name)
    compared = {eps: comparison.compare(other, name, eps=eps / 256) for eps in wanted}
    rows += _rows(other, "natural", compared.values())
    paired += over_budget(str(other.config.model_path or other.config.model), compared)
    studies["natural"] = other
  lead = [tables.means(
    rows, lambda row: f"{row.domain} {hfc_label(row.weight_rule)} at {number(row.eps_256, 3)}/256"
  )]  # fmt: skip
  if natural is None:
    lead.append("Natural images were not tested: none were given (--natural_dir).")
  images = {"medical": medical.config.dataset, "natural": natural.dataset if natural else ""}
  table = tables.detector_table(f"{tables.AREAS}, in both domains.", rows, {
    "Images": lambda row: dataset_label(row.dataset),
    "ε (1/256)": lambda row: f"{row.eps_256:g}",
    "HFC": tables.weight_label,
  })  # fmt: skip
  published = tables.papers_table("The papers: pooled AUC, percent.", table="Table V")
  more = {"smallest_eps_256": smallest, "pairs": paired}
  return study_result(
    "medical_natural", medical, rows, {**with_natural(studies), **more},
    title=f"{attack_label(name)} on medical and on natural images", lead=lead,
    tables=[table, _budgets(smallest, images), *published],
    notes=[*_NOTES, fixed(medical.config)],
  )  # fmt: skip


def _smallest(study: Study, name: str) -> float | None:
  eps = hfc_weight.smallest_budget(study, name)
  return None if eps is None else 256 * eps


def _rows(
  study: Study, domain: str, compared: Iterable[comparison.Comparison]
) -> Iterator[DomainRow]:
  for each in compared:
    for _, row in labelled_rows(each):
      yield DomainRow(**row, domain=domain, dataset=study.config.dataset)


def _budgets(smallest: Mapping[str, float | None], images: Mapping[str, str]) -> Table:
  body = []
  for domain, name in images.items():
    eps = smallest[domain]
    here = "none found" if domain == "medical" or name else "not tested"
    theirs = number(_SMALLEST[name], 1) if name in _SMALLEST else "–"
    body.append([dataset_label(name) or domain, here if eps is None else number(eps, 3), theirs])
  head = ["Images", "Here", "The papers"]
  return Table("Smallest ε (1/256) at which Adv. Acc is 95 % or more.", head, body)
