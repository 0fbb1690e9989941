"""Which layers give an attack away, and does HFC hide it in all of them?

TMI Fig. 6: AUCs of the detectors that read one activation layer at a time, solid without and dotted
with HFC.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hfc_tf.detectors import DETECTORS
from hfc_tf.errors import InputError
from hfc_tf.evaluation import metrics
from hfc_tf.evaluation.protocol import AttackResult
from hfc_tf.evaluation.within_class import class_areas, two_sided, within_class
from hfc_tf.experiments.common import hfc_study, study_result
from hfc_tf.results import tables
from hfc_tf.results.labels import attack_label, detector_label, hfc_label
from hfc_tf.results.result import Result
from hfc_tf.results.rows import LayerRow
from hfc_tf.results.verdict import best
from hfc_tf.study import comparison, hfc_weight
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study
from hfc_tf.variants import base

Array = np.ndarray[Any, Any]
Scores = Mapping[str, Any]  # [N] by layer
_NOTES = (
  "The detectors learnt from the attack without HFC. The papers draw this figure for ResNet-50 on "
  "fundus images and print no numbers: without HFC nearly 100 %, with it less than 80 % for KD and "
  "LID and less than 20 % for MAHA.",
)


def run(config: Config) -> Result:
  """Scores every layer without and with HFC.

  Args:
    config: its first attack; of its detectors those that score layers alone.
  """
  study, name = hfc_study(config)
  kinds = {detector: DETECTORS[base(detector)] for detector in study.config.detectors}
  able = [each for each, kind in kinds.items() if kind.per_layer and kind.reads != "images"]
  if not able:
    raise InputError(
      "a detector with scores of single layers", ", ".join(study.config.detectors),
      "name some of kd, maha, lid, dnn",
    )  # fmt: skip
  for detector in sorted(set(study.config.detectors) - set(able)):
    study.warn(f"{detector_label(detector)} has no scores of single layers and is left out.")
  plain = study.attack(name)
  every = {"kd": {"layers": list(study.train.features)}}  # else the penultimate layer's alone
  detectors = comparison.fit_detectors(study, name, {"attack": plain}, every)
  attacks = hfc_weight.hfc_attacks(study, name).items()
  results = [comparison.evaluate(study, name, plain)]
  results += [comparison.evaluate(study, name, attack, rule) for rule, attack in attacks]
  rows: list[LayerRow] = []
  for key in able:
    clean_scores = detectors[key].layer_scores(study.clean["adv_test"])
    for each in results:
      rows += _rows(study, key, each, clean_scores, detectors[key].layer_scores(each.taps))
  findings = [
    f"Most is seen {hfc_label(rule)} by {best(group, layer_label)}."
    for (rule,), group in tables.grouped(rows, "weight_rule").items()
    if any(row.auc_within_class_two_sided is not None for row in group)
  ]
  findings.append(tables.means(
    rows, lambda row: f"{detector_label(row.detector)} {hfc_label(row.weight_rule)}",
    "two-sided AUC within class of single layers",
  ))  # fmt: skip
  table = tables.detector_table(
    f"{tables.AREAS} [95 % interval] (pooled in brackets), by layer.",
    sorted(rows, key=lambda row: row.layer),
    {"Layer": lambda row: f"{row.layer} {row.layer_name}",
     "HFC": lambda row: hfc_label(row.weight_rule)}, {},
    ("auc_within_class", tables.TWO_SIDED, "auc"),
  )  # fmt: skip
  return study_result(
    "layers", study, rows, title=f"Layers that give {attack_label(name)} away", lead=findings,
    tables=[table], notes=_NOTES, figures=[tables.area_chart(
      "layers", "Detection by layer", rows, "layer", {row.layer: row.layer for row in rows},
      pooled=pooled, x_label="activation layer, in the order of the network",
    ) for pooled in (False, True)],
  )  # fmt: skip


def layer_label(row: LayerRow) -> str:
  """ "MAHA on layer 7 (conv3_block4_out)"."""
  return f"{detector_label(row.detector)} on layer {row.layer} ({row.layer_name})"


def best_layers(study: Study, compared: comparison.Comparison) -> Iterator[LayerRow]:
  """Of each attack the single layer, and the detector, with the largest two-sided AUC.

  Asked are the detectors that score layers alone; an attack with too few images has no such layer.
  """
  able = {k: d for k, d in compared.detectors.items() if d.per_layer and d.reads != "images"}
  clean = {key: detector.layer_scores(compared.clean) for key, detector in able.items()}
  for result in compared.results.values():
    best_row, most = None, 0.0
    for key, detector in able.items():
      scores = detector.layer_scores(result.taps)
      for layer, normal in clean[key].items():
        area = two_sided(class_areas(*_sides(study, result, normal, scores[layer])))
        if area is not None and area > most:
          most, best_row = area, (key, layer, result, normal, scores[layer])
    if best_row is not None:
      yield _row(study, *best_row)


def _rows(
  study: Study, name: str, result: AttackResult, clean_scores: Scores, scores: Scores
) -> Iterator[LayerRow]:
  for layer in study.victim.model.layers:
    if layer in clean_scores:
      yield _row(study, name, layer, result, clean_scores[layer], scores[layer])


def _sides(
  study: Study, result: AttackResult, normal: Array, scores: Array
) -> tuple[Array, Array, Array, Array]:
  """Scores and predictions of clean AdvTest images and of those that reached their target."""
  success, clean = result.success, study.clean["adv_test"].predictions
  return normal, clean, scores[success], result.taps.predictions[success]


def _row(
  study: Study, name: str, layer: str, result: AttackResult, normal: Array, scores: Array
) -> LayerRow:
  clean, model = study.clean["adv_test"], study.victim.model
  groups = np.arange(len(clean)) if clean.groups is None else clean.groups
  sides = _sides(study, result, normal, scores)
  return LayerRow(
    attack=result.attack, hfc=result.hfc, hfc_weight=result.hfc_weight,
    weight_rule=result.weight_rule, eps_256=result.eps_256, steps=result.steps, detector=name,
    layer=list(model.layers).index(layer) + 1, layer_name=layer, channels=model.widths[layer],
    auc=metrics.auc(normal, sides[2]), adv_acc=result.adv_acc, n_adversarial=len(sides[2]),
    n_clean=len(normal), **within_class(*sides, groups, groups[result.success]),
  )  # fmt: skip
