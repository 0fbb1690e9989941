"""Are medical images easier to attack, and easier to hide in, than natural ones?

TMI Table V: detection without and with HFC on chest X-rays at 1/256 and on CIFAR-10 at 8/256 and
16/256; and TMI section V.F: the smallest budget with Adv. Acc >= 95 % in both domains.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Any

from hfc_tf.evaluation.protocol import DetectionRow
from hfc_tf.experiments.common import AREAS, cells, heads, mean, printed, published
from hfc_tf.report.experiment import Table, study_results, write_experiment
from hfc_tf.report.rows import percent
from hfc_tf.report.words import DATASETS, attack_label, detector_label, number
from hfc_tf.study import cases, hiding
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study

NATURAL_BUDGETS = (8.0, 16.0)  # 1/256, TMI Table V
SMALLEST = {"chest": 0.5, "cifar10": 8.0}  # 1/256, TMI section V.F
_NOTES = (
  "The smallest budget is that at which 95 % of the tuning images of AdvTrain reach their target, "
  "found by bisection to a factor of 1.19; the number of steps is the same at every budget.",
  "Cells are AUCs within class; in brackets the pooled ones, which the papers report.",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row(DetectionRow):
  """One detector against one arm in one domain, "medical" or "natural"."""

  domain: str
  dataset: str


@dataclasses.dataclass(frozen=True)
class Natural:
  """The natural images.

  Args:
    data_dir: folder or npz file; None leaves them untested.
    dataset: a key of DATASETS.
    num_images: so many, by class; None for all.
    image_size: their side in pixels.
    budgets_256: values of eps for them, in 1/256.
  """

  data_dir: str | None = None
  dataset: str = "cifar10"
  num_images: int | None = None
  image_size: int = 32
  budgets_256: tuple[float, ...] = NATURAL_BUDGETS


NOT_TESTED = Natural()


def run(config: Config, natural: Natural = NOT_TESTED) -> dict[str, Any]:
  """Attacks both domains and writes the report into config.out.

  Args:
    config: of the medical images; its first attack is made without and with HFC.
    natural: the other images.

  Returns:
    What results.json holds; "smallest_eps_256" by domain, None where it was not tested or found.
  """
  begun = time.monotonic()
  medical = Study(dataclasses.replace(config, hfc=True).resolved())
  name = medical.config.attacks[0]
  smallest: dict[str, float | None] = {"medical": _smallest(medical, name), "natural": None}
  rows = list(_rows(medical, "medical", name, [float(medical.config.eps_256 or 0)]))
  if natural.data_dir is not None:
    other = medical.beside(
      "natural",
      dataset=natural.dataset,
      data_dir=natural.data_dir,
      split=None,
      num_images=natural.num_images,
      image_size=natural.image_size,
      model_path=None,
      eps_256=natural.budgets_256[0],
      step_size_256=None,
    )
    smallest["natural"] = _smallest(other, name)
    rows += _rows(other, "natural", name, natural.budgets_256)
    medical.warn(*(f"Natural images: {warning}" for warning in other.warnings))
  results = study_results("medical_natural", medical, begun) | {"smallest_eps_256": smallest}
  return write_experiment(
    config.out,
    results,
    rows,
    title=f"{attack_label(name)} on medical and on natural images",
    lead=list(_findings(rows, smallest, tested=natural.data_dir is not None)),
    tables=[_table(rows), _budgets(smallest, medical.config.dataset, natural.dataset), _papers()],
    notes=_NOTES,
  )


def _smallest(study: Study, name: str) -> float | None:
  found = hiding.smallest_budget(study, name)
  return None if found is None else 256 * found


def _rows(study: Study, domain: str, name: str, budgets: Sequence[float]) -> Iterator[Row]:
  for budget in budgets:
    case = cases.plain_and_hidden(study, name, eps=budget / 256)
    for label in case.images:
      for row in case.rows_of(label):
        yield Row(**vars(row), domain=domain, dataset=study.config.dataset)


def _findings(
  rows: Sequence[Row], smallest: dict[str, float | None], tested: bool
) -> Iterator[str]:
  for domain, eps in smallest.items():
    if domain == "natural" and not tested:
      yield "Natural images were not tested: none were given (--natural_dir)."
    elif eps is None:
      yield f"No budget that was tried moves 95 % of the {domain} images."
    else:
      yield f"{number(eps, 3)}/256 are enough to move 95 % of the {domain} images."
  for key in dict.fromkeys((r.domain, r.eps_256, r.weight_rule) for r in rows if r.hfc):
    own = [r for r in rows if (r.domain, r.eps_256, r.weight_rule) == key]
    plain = [r for r in rows if (r.domain, r.eps_256, r.hfc) == (*key[:2], False)]
    before, after = (mean(r.auc_within_class for r in side) for side in (plain, own))
    yield (
      f"With HFC ({key[2]}) at {number(key[1], 3)}/256 the detectors' mean AUC on {key[0]} images "
      f"goes from {percent(before, unit=True)} to {percent(after, unit=True)}."
    )


def _table(rows: Sequence[Row]) -> Table:
  detectors = list(dict.fromkeys(row.detector for row in rows))
  body = []
  for key in dict.fromkeys((r.dataset, r.eps_256, r.weight_rule) for r in rows):
    own = [r for r in rows if (r.dataset, r.eps_256, r.weight_rule) == key]
    rule = "–" if key[2] is None else f"{key[2]} ({own[0].hfc_weight:.3g})"
    label = DATASETS.get(key[0], key[0])
    body.append([
      label, number(key[1], 3), rule, *cells(own, detectors), percent(own[0].adv_acc),
    ])  # fmt: skip
  head = ["Images", "ε (1/256)", "HFC", *heads(detectors), "Adv. Acc"]
  return Table(f"{AREAS}, in both domains.", head, body)


def _budgets(smallest: dict[str, float | None], medical: str, natural: str) -> Table:
  def words(eps: float | None) -> str:
    return "not tested" if eps is None else number(eps, 3)

  body = [
    [DATASETS.get(name, name), words(smallest[domain]), number(SMALLEST[name], 1)
     if name in SMALLEST else "–"]
    for domain, name in (("medical", medical), ("natural", natural))
  ]  # fmt: skip
  head = ["Images", "Here", "The papers"]
  return Table("Smallest ε (1/256) at which Adv. Acc is 95 % or more.", head, body)


def _papers() -> Table:
  names, body = ("kd", "maha", "lid", "svm", "dnn"), []
  for dataset, eps in (("chest", 1), ("cifar10", 8), ("cifar10", 16)):
    line = [
      published(table="Table V", dataset=dataset, eps_256=eps, detector=name) for name in names
    ]
    for side, words in (("without", "without HFC"), ("with_hfc", "with HFC")):
      label = f"{DATASETS[dataset]}, {eps}/256, {words}"
      body.append([label, *(printed(cell, side) for cell in line)])
  head = ["Images", *map(detector_label, names)]
  return Table("The papers: pooled AUC, percent (TMI, Table V).", head, body)
