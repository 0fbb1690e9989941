"""The page on lesions as signals from outside the distribution."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hfc_tf.data.lesions import add_lesions
from hfc_tf.report import papers
from hfc_tf.report.arms import grouped
from hfc_tf.report.charts import PALETTE, Line, boxed_images, line_chart
from hfc_tf.report.experiment import Section, Table
from hfc_tf.report.figures import Array, Figure
from hfc_tf.report.rows import percent

if TYPE_CHECKING:
  from hfc_tf.experiments.ood import LesionRow
  from hfc_tf.study.study import Study

_NOTES = (
  "Clean and ill images are AdvTest images, which the classifier gets right. As in the paper, "
  "images whose prediction the lesions change are counted (FR) and left out of the AUC.",
  "The paper prints neither the diameters nor the contrast of its lesions; ours are fixed in "
  "hfc_tf/data/lesions.py (diameters of 1/32, 1/16, 1/8 and 1/4 of the image side).",
  "The interval resamples images (patients where they are known), each with all its draws.",
)


def published(dataset: str, size: str, count: int) -> dict[str, float]:
  """AUC and false rate of TMI Table VI as fractions, by metric; empty where it has none."""
  found = papers.cells(setting="ood", dataset=dataset, lesion_size=size, lesion_count=count)
  return {cell.metric: cell.value / 100 for cell in found if cell.value is not None}


def section(study: Study, rows: Sequence[LesionRow]) -> Section:
  """What the experiment's page shows: one row a size and number of lesions."""
  return Section(
    "Lesions that no training image has: the HFC term as anomaly score", _sentences(rows),
    [_table(rows)], [_examples(study, rows), _curves(rows)], _NOTES,
  )  # fmt: skip


def _table(rows: Sequence[LesionRow]) -> Table:
  body = [
    (
      row.size, str(row.count), percent(row.auc), f"{percent(row.auc_low)}–{percent(row.auc_high)}",
      percent(row.auc_within_class), percent(row.false_rate),
      percent(row.auc_paper), percent(row.false_rate_paper), str(row.n_lesions),
    )
    for row in rows
  ]  # fmt: skip
  head = ("Lesions", "Number", "AUC", "95 % interval", "AUC within class", "FR", "AUC (paper)",
          "FR (paper)", "Ill images")  # fmt: skip
  return Table(
    f"S_HFC tells images with lesions from clean ones; percent, {rows[0].draws} draws an image, "
    f"{rows[0].n_clean} clean images",
    head, body,
    "FR: share of images whose prediction the lesions change. Paper: TMI, Table VI, on real images "
    "with lesions of its own.",
  )  # fmt: skip


def _examples(study: Study, rows: Sequence[LesionRow]) -> Figure:
  chosen = [0, len(study.rows_of["adv_test"]) // 2]
  clean = study.images("adv_test", np.array(chosen))
  ids = study.rows_of["adv_test"][chosen]
  most = {row.size: row.count for row in rows}  # the last of each size has the most
  columns = [("clean", clean, np.zeros((len(clean), 0, 4), int))]
  for size, count in most.items():
    images, boxes = add_lesions(clean, size, count, study.config.seed * 1000, ids=ids)
    columns.append((f"{size}, {count}", images, boxes))
  return boxed_images(
    "lesions", "Lesions, boxed", columns,
    alt=f"Two images, clean and with {', '.join(f'{n} {s}' for s, n in most.items())} lesions, "
    "each lesion in a red box.",
    caption="After TMI, Fig. 8: deformed ellipses with a grainy texture and blurred edges.",
  )  # fmt: skip


def _curves(rows: Sequence[LesionRow]) -> Figure:
  lines = []
  for ((size,), part), color in zip(grouped(rows, "size").items(), PALETTE, strict=False):
    counts = [row.count for row in part]
    lines.append(Line(size, counts, _values(part, "auc"), color, "-", "o"))
    if any(row.auc_paper is not None for row in part):
      lines.append(Line(f"{size} (paper)", counts, _values(part, "auc_paper"), color, "--", "s"))
  return line_chart(
    "auc_by_lesions", "AUC by number and size of lesions", lines, level=50.0,
    x_label="lesions an image", y_label="AUC of S_HFC (%)",
    x_ticks={float(n): str(n) for n in sorted({row.count for row in rows})},
    alt="; ".join(f"{row.count} {row.size}: {percent(row.auc)} %" for row in rows),
    caption="Solid: here. Dashed: TMI, Table VI. The grey line is guessing.",
  )  # fmt: skip


def _values(rows: Sequence[LesionRow], field: str) -> Array:
  found = [getattr(row, field) for row in rows]
  return np.array([np.nan if value is None else 100 * value for value in found])


def _sentences(rows: Sequence[LesionRow]) -> list[str]:
  areas = {
    f"{row.count} {row.size} lesion{'s' if row.count > 1 else ''}": row.auc
    for row in rows
    if row.auc is not None
  }
  if not areas:
    return ["The lesions changed every prediction: nothing to score."]
  low, high = min(areas, key=lambda name: areas[name]), max(areas, key=lambda name: areas[name])
  false = max(row.false_rate for row in rows)
  sentences = [
    f"S_HFC tells images with lesions from clean ones with an AUC from "
    f"{percent(areas[low], unit=True)} ({low}) to {percent(areas[high], unit=True)} ({high}).",
    f"The lesions change at most {percent(false, unit=True)} of the predictions.",
  ]
  grows = [
    b.auc > a.auc
    for a, b in itertools.pairwise(rows)
    if a.size == b.size and a.auc is not None and b.auc is not None
  ]
  if grows:
    sentences.append(
      f"More lesions of one size raise the AUC in {sum(grows)} of {len(grows)} comparisons."
    )
  return sentences
