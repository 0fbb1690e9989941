"""The page that compares volumes with slices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hfc_tf.report import arms, papers
from hfc_tf.report.charts import MARKERS, PALETTE, Line, line_chart
from hfc_tf.report.experiment import Section, Table
from hfc_tf.report.figures import Figure
from hfc_tf.report.rows import percent
from hfc_tf.report.words import attack_label, number

if TYPE_CHECKING:
  from hfc_tf.evaluation.protocol import DetectionRow
  from hfc_tf.experiments.volumes import Success

_NOTES = (
  "All three are made of the same images with the same split: whole volumes; their middle slices, "
  "as two-dimensional images; volumes whose voxels are means of 2 x 2 x 2. Each has a classifier "
  "of its own, trained in the same way.",
  "The papers draw Fig. 9 over 0.01/256 to 0.2/256 and print no figures; their two-dimensional "
  "images are chest X-rays and fundus photographs, not slices.",
)


def section(
  points: Sequence[Success], rows: Sequence[DetectionRow], dataset: str, attack: str
) -> Section:
  """What the experiment's page shows.

  Args:
    points: of the curve. rows: of the volumes.
    dataset: whose figures the papers may print, for this attack.
  """
  printed = papers.cells(table="Table I", dataset=dataset, attack=attack)
  theirs = _papers(dataset) if printed else []
  return Section(
    "Volumes against slices", list(_findings(points, rows)),
    [_table(rows), *theirs, _curve(points)], [_figure(points)], _NOTES,
  )  # fmt: skip


def _findings(points: Sequence[Success], rows: Sequence[DetectionRow]) -> Iterator[str]:
  for (form,), own in arms.grouped(points, "form").items():
    average = sum(point.adv_acc for point in own) / len(own)
    yield (
      f"{form.capitalize()} ({own[0].voxels} values, accuracy {percent(own[0].accuracy)}): over "
      f"these budgets {percent(average, unit=True)} of the images reach their target on average."
    )
  for (rule,), arm in arms.grouped(rows, "weight_rule").items():
    yield f"On volumes {arms.with_hfc(rule)}, the detectors' mean AUC is {arms.mean_area(arm)}."


def _table(rows: Sequence[DetectionRow]) -> Table:
  return arms.detector_table(
    f"{arms.AREAS} (pooled in brackets), on volumes, ε = {number(rows[0].eps_256, 3)}/256.",
    rows,
    {"Attack": lambda row: attack_label(row.attack), "HFC": arms.weight_words},
  )


def _papers(dataset: str) -> list[Table]:
  return arms.papers_table(
    "The papers: pooled AUC, percent, ε = 1/256 (TMI, Table I).",
    ["Attack", "HFC"],
    [
      ((attack_label(attack), words), side,
       {"table": "Table I", "dataset": dataset, "attack": attack})
      for attack in ("bim", "pgd", "cw", "mim")
      for side, words in (("without", "–"), ("with_hfc", "HFC"))
    ],
  )  # fmt: skip


def _curve(points: Sequence[Success]) -> Table:
  body = [
    [number(eps, 4), *(f"{percent(p.adv_acc)} [{percent(p.adv_acc_low, 0)}–"
                       f"{percent(p.adv_acc_high, 0)}]" for p in own)]
    for (eps,), own in arms.grouped(points, "eps_256").items()
  ]  # fmt: skip
  forms = dict.fromkeys(point.form.capitalize() for point in points)
  caption = "Adv. Acc over the budget without HFC, percent, with 95 % intervals."
  return Table(caption, ["ε (1/256)", *forms], body)


def _figure(points: Sequence[Success]) -> Figure:
  budgets = list(dict.fromkeys(point.eps_256 for point in points))
  lines = [
    Line(form.capitalize(), range(len(budgets)), [100 * point.adv_acc for point in own], color,
         marker=marker)
    for ((form,), own), color, marker in
    zip(arms.grouped(points, "form").items(), PALETTE, MARKERS, strict=False)
  ]  # fmt: skip
  return line_chart(
    "success_over_budget", "Success over the budget", lines, y_range=(0, 101),
    x_label="ε (1/256)", x_ticks={i: number(eps, 4) for i, eps in enumerate(budgets)},
    y_label="Adv. Acc (%)", alt=" ".join(_findings(points, [])),
    caption="The share of AdvTest images that reach their target; more means more vulnerable.",
  )  # fmt: skip
