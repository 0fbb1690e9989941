"""The stress test: how far can an attack move one layer's mean?

MICCAI Table 1 (layers 36, 45 and 48 of ResNet-50, 8/256) and TMI Fig. 4 (the last layer of each
block, 1/256, 10 iterations): BIM minimises mean(f^l) or -mean(f^l), on medical and natural images.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import operator
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hfc_tf.attacks import BIM
from hfc_tf.attacks.objectives import FeatureMean
from hfc_tf.data.dataset import stratified_subset
from hfc_tf.experiments.common import block_ends
from hfc_tf.experiments.natural import Natural
from hfc_tf.report import stress_test as page
from hfc_tf.storage.arrays import Arrays
from hfc_tf.storage.keys import VERSIONS
from hfc_tf.study.config import Config
from hfc_tf.study.flags import choose_layers
from hfc_tf.study.study import Study

Array = np.ndarray[Any, Any]
_MICCAI_LAYERS = (36, 45, 48)
_DIRECTIONS = {"down": 1.0, "up": -1.0}  # weight on mean(f^l), which is minimised


@dataclasses.dataclass(frozen=True)
class StressRow:
  """One layer pushed one way; means are of the activation over images, space and channels.

  `ratio` is |after - before| / before. `domain` is "medical" or "natural".
  """

  paper: str
  domain: str
  dataset: str
  source: str
  layer: str
  layer_number: int
  layers: int
  eps_256: float
  step_size_256: float
  steps: int
  direction: str
  mean_before: float
  mean_after: float
  difference: float
  ratio: float | None
  n_images: int


def run(
  config: Config,
  layers: Sequence[str] = (),
  images: int = 64,
  iterations: int = 20,
  natural: Natural | None = None,
) -> dict[str, Any]:
  """Runs the stress test on AdvTest images and writes the report into config.out.

  Args:
    config: the medical images and their classifier.
    layers: names of taps or their numbers from 1; none: those of the papers.
    images: how many of each side.
    iterations: at 8/256, where MICCAI prints none.
    natural: the natural images; None where there are none.

  Returns:
    What results.json holds.
  """
  begun = time.monotonic()
  medical = Study(config.resolved())
  studies = {"medical": medical}
  if natural is not None:
    studies["natural"] = natural.beside(medical, "stressed_natural")
  rows: list[StressRow] = []
  for domain, study in studies.items():
    taps = study.clean["adv_test"].features
    deep = choose_layers(layers, taps, _MICCAI_LAYERS)
    ends = choose_layers(layers, taps, ()) if layers else block_ends(taps)
    rows += _rows(study, domain, images, page.MICCAI, 8.0, iterations, deep)
    rows += _rows(study, domain, images, page.TMI, 1.0, 10, ends)
  return page.write(studies, rows, begun)


def _mean_after(study: Study, attack: BIM, layer: str, some: Array) -> float:
  """The layer's mean over some AdvTest images under the attack, kept for the next run."""
  rows = study.rows_of["adv_test"][some]
  inputs = {
    "data": study.sources.key, **study.subject.inputs(attack.model), "rows": rows,
    "attack": attack.describe(), "layer": layer,
  }  # fmt: skip

  def compute() -> Arrays:
    # The class is of no account; one for all fills the chunks.
    changed = attack(study.images("adv_test", some), 0, ids=rows)
    return {"mean": study.subject.model.taps(changed).features[layer].mean(dtype=float)}

  stage = ("stress", VERSIONS["stress"], inputs)
  found, _ = study.timed("stress", lambda: study.store.arrays(*stage, compute))
  return float(found["mean"])


def _rows(
  study: Study, domain: str, images: int, paper: str, eps_256: float, steps: int, layers: list[str]
) -> Iterator[StressRow]:
  clean = study.clean["adv_test"]
  some = stratified_subset(clean.labels, images, study.config.seed)
  # One compiled loop for all: a layer and a direction are a choice of weights.
  attack = BIM(
    study.attacked_model, functools.reduce(operator.add, map(FeatureMean, layers)),
    eps=eps_256 / 256, steps=steps, batch_size=study.config.batch_size,
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
