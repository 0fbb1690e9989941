"""The page of the stress test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hfc_tf.report import papers
from hfc_tf.report.arms import grouped
from hfc_tf.report.charts import Line, line_chart
from hfc_tf.report.experiment import Section, Table, study_results, write_experiment
from hfc_tf.report.figures import COLORS, Figure
from hfc_tf.report.results import of_study
from hfc_tf.report.rows import percent
from hfc_tf.report.words import DATASETS, number

if TYPE_CHECKING:
  from hfc_tf.experiments.stress_test import StressRow
  from hfc_tf.study.study import Study

MICCAI, TMI = "MICCAI 2021, Table 1", "TMI, Fig. 4"
NOT_TESTED = "Natural images were not tested: give --natural_dir."
_COLORS = {"medical": COLORS["attack"], "natural": COLORS["clean"]}
_ARROWS = {"down": "↓", "up": "↑"}
_NOTES = (
  "BIM minimises mean(f^l) (↓) or −mean(f^l) (↑) of one layer, for AdvTest images; the step is 2 ε "
  "over the number of iterations. MICCAI prints no number of iterations, TMI 10.",
  "MICCAI’s layers are 36, 45 and 48 of ResNet-50; in another network the layers at the same "
  "relative depth stand for them. TMI’s are the last layers of the blocks.",
  "Means are over images, space and channels. The ratio is |after − before| / before.",
)


def write(studies: Mapping[str, Study], rows: Sequence[StressRow], begun: float) -> dict[str, Any]:
  """Writes the files of the experiment.

  Args:
    studies: "medical" and, where they were tested, "natural".
    rows: of both.
    begun: time.monotonic() at the start.

  Returns:
    What results.json holds.
  """
  medical = studies["medical"]
  results = study_results("stress_test", medical, begun)
  found = [f"{name}: {text}" for name, study in studies.items() for text in study.warnings]
  sources = {study.sources.dataset.source for study in studies.values()}
  if len(sources) > 1 and "synthetic" in sources:
    found.append("The medical images are synthetic, drawn by a program; the natural ones are real.")
    results["data"] |= {"source": "mixed"}
  results["warnings"] = found
  if "natural" in studies:
    natural = of_study(studies["natural"], 0.0)
    spent = studies["natural"].timing.items()
    results["timing"] |= {f"natural {name}": round(seconds, 1) for name, seconds in spent}
    results["data"] |= {"natural": natural["data"]}
    results["classifier"] |= {"natural": natural["classifier"]}
  return write_experiment(
    medical.config.out, results, rows, files=medical.split_file, **vars(section(rows))
  )


def section(rows: Sequence[StressRow]) -> Section:
  """What the experiment's page shows."""
  miccai, tmi = ([row for row in rows if row.paper == paper] for paper in (MICCAI, TMI))
  return Section(
    "Stress test: how far features can be moved", list(_sentences(miccai, tmi)),
    [_means_table(miccai), _ratio_table(tmi)], [_ratio_figure(tmi)], _NOTES,
  )  # fmt: skip


def _pairs(rows: Sequence[StressRow]) -> Iterator[tuple[StressRow, StressRow]]:
  """Each data set and layer, moved down and up."""
  for own in grouped(rows, "domain", "layer").values():
    by_direction = {row.direction: row for row in own}
    yield by_direction["down"], by_direction["up"]


def _budget(row: StressRow) -> str:
  return f"ε = {number(row.eps_256, 3)}/256, {row.steps} iterations"


def _name(row: StressRow) -> str:
  drawn = " (synthetic)" if row.source == "synthetic" else ""
  return DATASETS.get(row.dataset, row.dataset) + drawn


def _means_table(rows: Sequence[StressRow]) -> Table:
  head = ("Images", "Layer", "normal", "attacked ↓", "attacked ↑", "difference ↓", "difference ↑")
  body: list[Sequence[str]] = [
    (
      _name(down), f"{down.layer_number} of {down.layers}", f"{down.mean_before:.4f}",
      f"{down.mean_after:.4f}", f"{up.mean_after:.4f}",
      f"{down.difference:.4f}", f"{up.difference:.4f}",
    )
    for down, up in _pairs(rows)
  ]  # fmt: skip
  if not any(row.domain == "natural" for row in rows):
    body.append(("natural images", "not tested", *["–"] * 5))
  body += list(_published())
  return Table(
    f"Mean activations before and after; {_budget(rows[0])}", head, body,
    f"The papers’ lines are those of {MICCAI}: ResNet-50 of their own, 256 px.",
  )  # fmt: skip


def _published() -> Iterator[tuple[str, ...]]:
  cells = {
    (cell.dataset, cell.layer, cell.attack, cell.metric): cell.value
    for cell in papers.cells(setting="stress")
  }
  mean, ways = "mean_activation", ("stress_down", "stress_up")
  wanted = [(None, mean), *((way, name) for name in (mean, f"{mean}_difference") for way in ways)]
  for dataset, layer in dict.fromkeys((key[0], key[1]) for key in cells):
    values = [cells[dataset, layer, attack, metric] for attack, metric in wanted]
    name = f"{DATASETS.get(dataset, dataset)} (papers)"
    yield (name, f"{layer}", *(f"{value:.4f}" for value in values if value is not None))


def _ratio_table(rows: Sequence[StressRow]) -> Table:
  body = [
    (_name(down), f"{down.layer_number} {down.layer}", percent(down.ratio), percent(up.ratio))
    for down, up in _pairs(rows)
  ]
  if not any(row.domain == "natural" for row in rows):
    body.append(("natural images", "not tested", "–", "–"))
  head = ("Images", "Last layer of the block", "change ↓ (%)", "change ↑ (%)")
  return Table(f"Change of the mean in percent of itself; {_budget(rows[0])}", head, body)


def _ratio_figure(rows: Sequence[StressRow]) -> Figure:
  lines = []
  found = grouped(rows, "domain", "direction")
  for domain in dict.fromkeys(domain for domain, _ in found):
    for direction, style in (("up", "-"), ("down", "--")):
      part = found[domain, direction]
      lines.append(Line(
        f"{_name(part[0])} {_ARROWS[direction]}", [row.layer_number for row in part],
        [np.nan if not row.ratio else 100 * row.ratio for row in part],
        _COLORS[domain], style, "o" if domain == "medical" else "s",
      ))  # fmt: skip
  places = {float(row.layer_number): str(row.layer_number) for row in rows}
  return line_chart(
    "change_ratios", "Change of the mean activation by block", lines, x_ticks=places, log_y=True,
    x_label="layer (number among the activations)", y_label="change of the mean (% of itself)",
    alt="; ".join(
      f"{_name(row)} {_ARROWS[row.direction]} layer {row.layer_number}: {percent(row.ratio)} %"
      for row in rows
    ),
    caption=f"After {TMI}; {_budget(rows[0])}. The scale is logarithmic.",
  )  # fmt: skip


def _sentences(miccai: Sequence[StressRow], tmi: Sequence[StressRow]) -> Iterator[str]:
  deepest = [row for row in miccai if row.domain == "medical"][-1]
  yield (
    f"Within ±{number(deepest.eps_256, 3)}/256, an attack raises the mean of layer "
    f"{deepest.layer_number} of {deepest.layers} on {_name(deepest)} from "
    f"{deepest.mean_before:.3g} to {deepest.mean_after:.3g}."
  )
  ratios = {(row.paper, row.domain, row.layer, row.direction): row.ratio for row in (*miccai, *tmi)}
  compared = [
    (ratio, ratios[paper, "natural", layer, direction])
    for (paper, domain, layer, direction), ratio in ratios.items()
    if domain == "medical" and (paper, "natural", layer, direction) in ratios
  ]
  if not compared:
    yield NOT_TESTED
    return
  larger = sum((medical or 0.0) > (natural or 0.0) for medical, natural in compared)
  yield (
    f"Medical features move by a larger part of themselves than natural ones in {larger} of "
    f"{len(compared)} comparisons (layer, direction and budget)."
  )
