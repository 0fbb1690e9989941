"""The stress test: how far can an attack move one layer's mean?

MICCAI Table 1 (layers 36, 45 and 48 of ResNet-50, 8/256) and TMI Fig. 4 (the last layer of each
block, 1/256, 10 iterations): BIM minimises mean(f^l) or -mean(f^l), on medical and natural images.
"""

from __future__ import annotations

import copy
import functools
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hfc_tf.attacks import BIM
from hfc_tf.attacks.budget import schedule
from hfc_tf.attacks.objectives import FeatureMean
from hfc_tf.data.dataset import stratified_subset
from hfc_tf.experiments.common import block_ends, study_result
from hfc_tf.experiments.natural import Natural, with_natural
from hfc_tf.results import papers, tables
from hfc_tf.results.feature_rows import StressRow
from hfc_tf.results.figures import PALETTE, Line, LineChart
from hfc_tf.results.labels import budget, dataset_label
from hfc_tf.results.result import Result, Table
from hfc_tf.storage.arrays import Arrays
from hfc_tf.storage.keys import VERSIONS
from hfc_tf.study import attacks, grid
from hfc_tf.study.config import Config
from hfc_tf.study.flags import choose_layers
from hfc_tf.study.study import Study

Array = np.ndarray[Any, Any]
MICCAI, TMI = "MICCAI 2021, Table 1", "TMI, Fig. 4"
_COLORS = {"medical": PALETTE[1], "natural": PALETTE[0]}
_ARROWS, _STYLES = {"down": "↓", "up": "↑"}, {"down": "--", "up": "-"}
_MICCAI_LAYERS = (36, 45, 48)
_DIRECTIONS = {"down": 1.0, "up": -1.0}  # weight on mean(f^l), which is minimised
_NOTES = (
  "BIM minimises mean(f^l) (↓) or −mean(f^l) (↑) of one layer over images, space and channels; the "
  "step is 2 ε over the number of iterations, of which MICCAI prints none: its general step of "
  "0.02/256 makes 800 (--step_size=0.02 --iterations=0). In networks other than "
  "ResNet-50 the layers at the same relative depth stand for MICCAI’s 36, 45 and 48. TMI Fig. 4 "
  "shows four sets of images, a run one medical and one natural: others by --dataset and "
  "--natural_dir, ImageNet by --natural_dataset=folder with --natural_model_path.",
)


def run(
  config: Config,
  layers: Sequence[str] = (),
  images: int = 64,
  iterations: int | None = None,
  natural: Natural | None = None,
) -> Result:
  """Runs the stress test on AdvTest images.

  Args:
    config: the medical images and their classifier.
    layers: names of taps or their numbers from 1; none: those of the papers.
    images: how many of each side.
    iterations: at 8/256, where MICCAI prints none; 0: as many as the general rule 2 eps / step
      makes of the study's step (800 of the papers' 0.02/256); None: 20, in the papers' setting 0.
    natural: the natural images; None where there are none.
  """
  medical = Study(config.resolved())
  if iterations is None:
    iterations = 0 if config.setting == "papers" else 20
  if not iterations:
    iterations = schedule(8 / 256, float(medical.config.step_size_256 or 0) / 256)[1]
  studies = {"medical": medical}
  if natural is not None:
    studies["natural"] = natural.beside(medical, "stressed_natural")
  rows: list[StressRow] = []
  for domain, study in studies.items():
    taps = study.clean["adv_test"].features
    deep = choose_layers(layers, taps, _MICCAI_LAYERS)
    ends = choose_layers(layers, taps, ()) if layers else block_ends(taps)
    rows += stressed(study, domain, images, MICCAI, 8.0, iterations, deep)
    rows += stressed(study, domain, images, TMI, 1.0, 10, ends)
  miccai, tmi = ([row for row in rows if row.paper == paper] for paper in (MICCAI, TMI))
  lead = [tables.means(rows, _name, "change of a layer's mean, of itself", "ratio")]
  if natural is None:
    lead.append("Natural images were not tested: give --natural_dir.")
  return study_result(
    "stress_test", medical, rows, with_natural(studies),
    title="Stress test: how far features can be moved", lead=lead,
    tables=[_table(miccai), _table(tmi), _papers()], figures=[_ratio_figure(tmi)], notes=_NOTES,
  )  # fmt: skip


def _mean_after(study: Study, attack: BIM, layer: str, some: Array) -> float:
  """The layer's mean over some AdvTest images under the attack, kept for the next run."""
  rows = study.rows_of["adv_test"][some]
  inputs = {
    "data": study.sources.key, **study.victim.inputs(attack.model), "rows": rows,
    "attack": attack.describe(), "layer": layer,
  }  # fmt: skip

  def compute() -> Arrays:
    # The class is of no account; one for all fills the chunks.
    changed = attack(study.images("adv_test", some), 0, ids=rows)
    changed = study.stored(changed, "adv_test", attack.eps, some)
    return {"mean": study.victim.model.taps(changed).features[layer].mean(dtype=float)}

  stage = ("stress", VERSIONS["stress"], inputs)
  arrays, _ = study.timed("stress", lambda: study.store.arrays(*stage, compute))
  return float(arrays["mean"])


def stressed(
  study: Study, domain: str, images: int, paper: str, eps_256: float, steps: int, layers: list[str]
) -> Iterator[StressRow]:
  """Each layer's mean pushed down and up, on so many AdvTest images; arguments as of the row."""
  clean = study.clean["adv_test"]
  some = stratified_subset(clean.labels, images, study.config.seed)
  # One compiled loop for all: a layer and a direction are a choice of weights.
  attack = BIM(
    study.attacked_model, functools.reduce(operator.add, map(FeatureMean, layers)),
    **{**attacks.settings(study.config, study.levels),
       "eps": grid.unit(eps_256, study.levels), "steps": steps,
       "step_size": None},
  )  # fmt: skip
  for layer, term in zip(layers, attack.weights, strict=True):
    before = float(clean.features[layer][some].mean(dtype=float))
    for direction, weight in _DIRECTIONS.items():
      pushed = copy.copy(attack)
      pushed.weights = {**dict.fromkeys(attack.weights, 0.0), term: weight}
      after = _mean_after(study, pushed, layer, some)
      yield StressRow(
        paper, domain, study.config.dataset, study.sources.dataset.source, layer,
        list(clean.features).index(layer) + 1, len(clean.features), eps_256, 2 * eps_256 / steps,
        steps, direction, before, after, abs(after - before),
        abs(after - before) / before if before else None, len(some),
      )  # fmt: skip


def _size(row: StressRow) -> str:
  return f"{budget(row.eps_256)}, {row.steps} iterations"


def _name(row: StressRow) -> str:
  return dataset_label(row.dataset) + (" (synthetic)" if row.source == "synthetic" else "")


def _table(rows: Sequence[StressRow]) -> Table:
  return tables.table(f"{rows[0].paper}: means before and after; {_size(rows[0])}", rows, {
    "Images": _name,
    "Layer": lambda row: f"{row.layer_number} of {row.layers} ({row.layer})",
    "Pushed": lambda row: _ARROWS[row.direction],
    "normal": lambda row: f"{row.mean_before:.4f}",
    "attacked": lambda row: f"{row.mean_after:.4f}",
    "difference": lambda row: f"{row.difference:.4f}",
    "change (%)": "ratio",
  })  # fmt: skip


def _papers() -> Table:
  cells = {(cell.dataset, cell.layer, cell.attack, cell.metric): cell.value
           for cell in papers.cells(setting="stress")}  # fmt: skip
  body = [
    [dataset_label(dataset), str(layer), _ARROWS[str(attack).removeprefix("stress_")],
     *(f"{cells[dataset, layer, *key]:.4f}" for key in
       ((None, "mean_activation"), (attack, "mean_activation"),
        (attack, "mean_activation_difference")))]
    for dataset, layer, attack in dict.fromkeys(key[:3] for key in cells if key[2])
  ]  # fmt: skip
  head = ("Images", "Layer", "Pushed", "normal", "attacked", "difference")
  return Table(f"The papers: {MICCAI}; ResNet-50 of their own, 256 px.", head, body)


def _ratio_figure(rows: Sequence[StressRow]) -> LineChart:
  lines = [
    Line(f"{_name(group[0])} {_ARROWS[direction]}", [row.layer_number for row in group],
         [100 * (row.ratio or np.nan) for row in group], _COLORS[domain], _STYLES[direction],
         "o" if domain == "medical" else "s")
    for (domain, direction), group in tables.grouped(rows, "domain", "direction").items()
  ]  # fmt: skip
  return LineChart(
    "change_ratios", "Change of the mean activation by block", lines=lines, log_y=True,
    x_ticks={float(row.layer_number): str(row.layer_number) for row in rows},
    x_label="layer (number among the activations)", y_label="change of the mean (% of itself)",
    caption=f"After {TMI}; {_size(rows[0])}. The scale is logarithmic.",
  )  # fmt: skip
