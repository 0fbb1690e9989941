"""Which layers give an attack away, and does HFC hide it in all of them?

TMI Fig. 6: AUCs of the detectors that read one activation layer at a time, solid without and dotted
with HFC.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hfc_tf.detectors import DETECTORS
from hfc_tf.errors import InputError
from hfc_tf.evaluation import metrics
from hfc_tf.evaluation.protocol import Arm
from hfc_tf.experiments.common import AREAS, COLORS, mean
from hfc_tf.report.charts import Line, line_chart
from hfc_tf.report.experiment import Table, study_results, write_experiment
from hfc_tf.report.figures import Figure
from hfc_tf.report.rows import percent
from hfc_tf.report.words import attack_label, detector_label
from hfc_tf.study import cases, hiding
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study

_NOTES = (
  "Each layer's score stands alone; the detectors learnt from the attack without HFC. In the table "
  "'→' leads from without to with HFC.",
  "The papers draw this figure for ResNet-50 on fundus images and print no numbers: without HFC "
  "nearly 100 %, with it less than 80 % for KD and LID and less than 20 % for MAHA.",
)


@dataclasses.dataclass(frozen=True)
class Row:
  """One detector on one layer against one arm; areas are fractions, None where nothing was scored.

  `layer` is counted from 1 in the order of the network.
  """

  attack: str
  hfc: bool
  hfc_weight: float
  weight_rule: str | None
  eps_256: float
  steps: int
  detector: str
  layer: int
  layer_name: str
  channels: int
  auc: float | None
  auc_within_class: float | None
  auc_within_class_two_sided: float | None
  adv_acc: float
  n_adversarial: int
  n_clean: int


def run(config: Config) -> dict[str, Any]:
  """Scores every layer without and with HFC and writes the report into config.out.

  Args:
    config: its first attack; of its detectors those that score layers alone.

  Returns:
    What results.json holds.
  """
  begun = time.monotonic()
  study = Study(dataclasses.replace(config, hfc=True).resolved())
  name = study.config.attacks[0]
  able = [
    d for d in study.config.detectors if DETECTORS[d].per_layer and DETECTORS[d].reads != "images"
  ]
  if not able:
    raise InputError(
      "a detector with scores of single layers", ", ".join(study.config.detectors),
      "name some of kd, maha, lid, dnn",
    )  # fmt: skip
  for detector in set(study.config.detectors) - set(able):
    study.warn(f"{detector_label(detector)} has no scores of single layers and is left out.")
  plain = study.attack(name)
  every = {"kd": {"layers": list(study.train.features)}}  # else the penultimate layer's alone
  fitted = cases.fitted(study, name, {"attack": plain}, every)
  shots = [cases.shoot(study, name, plain)]
  hidden = hiding.hidden(study, name)
  shots += [cases.shoot(study, name, attack, rule) for rule, attack in hidden.items()]
  rows: list[Row] = []
  for detector in able:
    clean = fitted[detector].layer_scores(study.clean["adv_test"])
    for shot in shots:
      scores = fitted[detector].layer_scores(shot.arm.taps)
      rows += _rows(study, detector, shot.arm, clean, scores)
  return write_experiment(
    config.out,
    study_results("layers", study, begun),
    rows,
    title=f"Layers that give {attack_label(name)} away",
    lead=list(_findings(rows)),
    tables=[_table(rows)],
    figures=[_figure(rows)],
    notes=_NOTES,
  )


def _rows(
  study: Study, detector: str, arm: Arm, clean: dict[str, Any], scores: dict[str, Any]
) -> Iterator[Row]:
  order = {layer: place for place, layer in enumerate(study.subject.model.layers, start=1)}
  predictions = study.clean["adv_test"].predictions
  fooled = arm.taps.predictions[arm.success]
  for layer, normal in clean.items():
    attacked = scores[layer][arm.success]
    within = metrics.auc_within_class(normal, predictions, attacked, fooled)
    yield Row(
      arm.attack,
      arm.hfc,
      arm.hfc_weight,
      arm.weight_rule,
      arm.eps_256,
      arm.steps,
      detector,
      order[layer],
      layer,
      study.subject.model.widths[layer],
      metrics.auc(normal, attacked),
      within,
      metrics.two_sided(within),
      float(arm.success.mean()),
      int(arm.success.sum()),
      len(normal),
    )


def _last(rows: Sequence[Row]) -> str | None:
  """The rule of the arm that is drawn: the last with HFC."""
  return rows[-1].weight_rule


def _findings(rows: Sequence[Row]) -> Iterator[str]:
  for detector in dict.fromkeys(row.detector for row in rows):
    sides = [
      [r for r in rows if r.detector == detector and r.weight_rule == rule]
      for rule in (None, _last(rows))
    ]
    plain, hidden = (mean(row.auc_within_class for row in side) for side in sides)
    pairs = [
      (a.auc_within_class, b.auc_within_class) for a, b in zip(*sides, strict=True)
    ]  # fmt: skip
    lower = sum(a is not None and b is not None and b < a for a, b in pairs)
    yield (
      f"{detector_label(detector)}: over the layers the mean AUC is {percent(plain, unit=True)} "
      f"without and {percent(hidden, unit=True)} with HFC, which lowers it in {lower} of "
      f"{len(pairs)} layers."
    )


def _table(rows: Sequence[Row]) -> Table:
  detectors = list(dict.fromkeys(row.detector for row in rows))
  area = {(r.layer, r.detector, r.weight_rule): r.auc_within_class for r in rows}
  rules = list(dict.fromkeys(row.weight_rule for row in rows))
  body = [
    [
      f"{layer} {name}",
      *(
        " → ".join(percent(area.get((layer, detector, rule))) for rule in rules)
        for detector in detectors
      ),
    ]
    for layer, name in sorted({(row.layer, row.layer_name) for row in rows})
  ]
  arms = " → ".join(rule or "without HFC" for rule in rules)
  caption = f"{AREAS}, by layer: {arms}."
  return Table(caption, ["Layer", *map(detector_label, detectors)], body)


def _figure(rows: Sequence[Row]) -> Figure:
  lines = []
  for rule, style in ((None, "-"), (_last(rows), ":")):
    for detector in dict.fromkeys(row.detector for row in rows):
      own = [r for r in rows if (r.detector, r.weight_rule) == (detector, rule)]
      values = [np.nan if r.auc_within_class is None else 100 * r.auc_within_class for r in own]
      label = detector_label(detector) + (" with HFC" if rule else "")
      lines.append(Line(label, [row.layer for row in own], values, COLORS[detector], style))
  return line_chart(
    "layers",
    "Detection by layer",
    lines,
    x_label="activation layer, in the order of the network",
    y_label="AUC within class (%)",
    y_range=(0, 101),
    level=50,
    alt=" ".join(_findings(rows)),
    caption="Solid without, dotted with HFC (the last of its weights); 50 % is guessing.",
  )
