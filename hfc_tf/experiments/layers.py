"""Which layers give an attack away, and does HFC hide it in all of them?

TMI Fig. 6: AUCs of the detectors that read one activation layer at a time, solid without and dotted
with HFC.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

from hfc_tf.detectors import DETECTORS
from hfc_tf.errors import InputError
from hfc_tf.evaluation import metrics
from hfc_tf.evaluation.protocol import Arm
from hfc_tf.experiments.common import hiding_study
from hfc_tf.report import layers as page
from hfc_tf.report.experiment import write_study
from hfc_tf.report.words import detector_label
from hfc_tf.study import cases, hiding
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study


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
  return write_study("layers", study, begun, rows, page.section(name, rows))


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
      arm.attack, arm.hfc, arm.hfc_weight, arm.weight_rule, arm.eps_256, arm.steps,
      detector, order[layer], layer, study.subject.model.widths[layer],
      metrics.auc(normal, attacked), within, metrics.two_sided(within),
      arm.adv_acc, int(arm.success.sum()), len(normal),
    )  # fmt: skip
