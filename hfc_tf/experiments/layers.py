"""Which layers give an attack away, and does HFC hide it in all of them?

TMI Fig. 6: AUCs of the detectors that read one activation layer at a time, solid without and dotted
with HFC.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from hfc_tf.detectors import DETECTORS
from hfc_tf.errors import InputError
from hfc_tf.evaluation import metrics
from hfc_tf.evaluation.protocol import AttackResult
from hfc_tf.experiments.common import hiding_study, study_result
from hfc_tf.results import tables
from hfc_tf.results.detection import LayerRow
from hfc_tf.results.labels import attack_label, detector_label, percent
from hfc_tf.results.result import Result, Table
from hfc_tf.study import comparison, hfc_weight
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study

_NOTES = (
  "Each layer's score stands alone; the detectors learnt from the attack without HFC. In the table "
  "'→' leads from without to with HFC.",
  "The papers draw this figure for ResNet-50 on fundus images and print no numbers: without HFC "
  "nearly 100 %, with it less than 80 % for KD and LID and less than 20 % for MAHA.",
)


def run(config: Config) -> Result:
  """Scores every layer without and with HFC.

  Args:
    config: its first attack; of its detectors those that score layers alone.
  """
  begun = time.monotonic()
  study, name = hiding_study(config)
  able = [
    d for d in study.config.detectors if DETECTORS[d].per_layer and DETECTORS[d].reads != "images"
  ]
  if not able:
    raise InputError(
      "a detector with scores of single layers", ", ".join(study.config.detectors),
      "name some of kd, maha, lid, dnn",
    )  # fmt: skip
  for detector in sorted(set(study.config.detectors) - set(able)):
    study.warn(f"{detector_label(detector)} has no scores of single layers and is left out.")
  plain = study.attack(name)
  every = {"kd": {"layers": list(study.train.features)}}  # else the penultimate layer's alone
  fitted = comparison.fit_detectors(study, name, {"attack": plain}, every)
  adversarials = [comparison.evaluate(study, name, plain)]
  hidden = hfc_weight.hfc_attacks(study, name)
  adversarials += [
    comparison.evaluate(study, name, attack, rule) for rule, attack in hidden.items()
  ]
  rows: list[LayerRow] = []
  for detector in able:
    clean = fitted[detector].layer_scores(study.clean["adv_test"])
    for result in adversarials:
      scores = fitted[detector].layer_scores(result.taps)
      rows += _rows(study, detector, result, clean, scores)
  return study_result(
    "layers", study, begun, rows,
    title=f"Layers that give {attack_label(name)} away", findings=[_finding(rows)],
    tables=[_table(rows)], notes=_NOTES, figures=[tables.area_chart(
      "layers", "Detection by layer", rows, "layer", {row.layer: row.layer for row in rows},
      x_label="activation layer, in the order of the network", alt=_finding(rows),
    )],
  )  # fmt: skip


def _rows(
  study: Study, detector: str, result: AttackResult, clean: dict[str, Any], scores: dict[str, Any]
) -> Iterator[LayerRow]:
  order = {layer: place for place, layer in enumerate(study.victim.model.layers, start=1)}
  predictions = study.clean["adv_test"].predictions
  fooled = result.taps.predictions[result.success]
  for layer, normal in clean.items():
    attacked = scores[layer][result.success]
    within = metrics.auc_within_class(normal, predictions, attacked, fooled)
    yield LayerRow(
      result.attack, result.hfc, result.hfc_weight, result.weight_rule, result.eps_256,
      result.steps, detector, order[layer], layer, study.victim.model.widths[layer],
      metrics.auc(normal, attacked), within, metrics.two_sided(within),
      result.adv_acc, int(result.success.sum()), len(normal),
    )  # fmt: skip


def _finding(rows: Sequence[LayerRow]) -> str:
  return tables.mean_areas(
    rows, lambda row: f"{detector_label(row.detector)} {tables.with_hfc(row.weight_rule)}",
    "single layers",
  )  # fmt: skip


def _table(rows: Sequence[LayerRow]) -> Table:
  detectors = list(dict.fromkeys(row.detector for row in rows))
  rules = dict.fromkeys(row.weight_rule for row in rows)
  area = {(row.layer, row.detector, row.weight_rule): row.auc_within_class for row in rows}
  body = [
    [f"{layer} {name}",
     *(" → ".join(percent(area.get((layer, d, rule))) for rule in rules) for d in detectors)]
    for layer, name in sorted({(row.layer, row.layer_name) for row in rows})
  ]  # fmt: skip
  caption = f"{tables.AREAS}, by layer: {' → '.join(rule or 'without HFC' for rule in rules)}."
  return Table(caption, ["Layer", *map(detector_label, detectors)], body)
