"""The defender answers: detectors that have seen HFC, and attacks that must all be caught.

Beyond the papers, whose detectors learn from the attack without HFC. Here they also learn from HFC
images of each aim, and from a mixture; an image counts as caught only if every attack on it is
(MEAD, Granese et al., ECML 2022); and a score that is far too normal counts as a sign (two-sided
AUC).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from hfc_tf.attacks import Attack
from hfc_tf.evaluation import metrics
from hfc_tf.evaluation.protocol import DetectionRow
from hfc_tf.experiments.common import hiding_study, labelled_rows
from hfc_tf.report import defender as page
from hfc_tf.report.experiment import write_study
from hfc_tf.study import cases, hiding
from hfc_tf.study.config import AIMS, Config


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row(DetectionRow):
  """One detector against one arm; `learnt_from` is "plain", an aim of HFC or "mixture".

  `aim` is that of the arm, None without HFC.
  """

  learnt_from: str
  aim: str | None


@dataclasses.dataclass(frozen=True)
class WorstRow:
  """One detector against all arms at once; areas are fractions."""

  learnt_from: str
  detector: str
  auc_within_class: float | None
  tpr_at_90_tnr: float | None
  n_adversarial: int
  n_clean: int


def run(config: Config) -> dict[str, Any]:
  """Retrains the detectors and writes the report into config.out.

  Args:
    config: its first attack, with HFC of each aim at each of the weights.

  Returns:
    What results.json holds; "worst_case" has a row a detector and lesson.
  """
  begun = time.monotonic()
  study, name = hiding_study(config)
  plain = study.attack(name)
  every: dict[str, Attack] = {"attack": plain}
  lessons = {"plain": dict(every)}
  for aim in AIMS:
    own = hiding.hidden(study, name, aim=aim)
    if own:
      lessons[aim] = {f"{aim} {rule}": attack for rule, attack in own.items()}
      every |= lessons[aim]
  if len(lessons) > 1:
    lessons["mixture"] = every
  shots = {
    label: cases.shoot(study, name, attack, None if label == "attack" else label)
    for label, attack in every.items()
  }
  rows: list[Row] = []
  worst: list[WorstRow] = []
  for lesson, attacks in lessons.items():
    case = cases.scored(study, cases.fitted(study, name, attacks), shots)
    rows += [
      Row(**row, learnt_from=lesson, aim=None if label == "attack" else label.split()[0])
      for label, row in labelled_rows(case)
    ]
    worst += worst_case(lesson, case)
  section = page.section(name, rows, worst)
  return write_study("defender", study, begun, rows, section, worst_case=worst)


def worst_case(lesson: str, case: cases.Case) -> Iterator[WorstRow]:
  """Every detector against whichever attack it scores lowest, image by image."""
  success = np.stack([arm.success for arm in case.arms])  # [A, N]
  moved = success.any(axis=0)
  targets = case.arms[0].targets[moved]
  for name, scores in case.scores.items():
    each = np.stack([scores[label] for label in case.images])  # [A, N]
    lowest = np.where(success, each, np.inf).min(axis=0)[moved]
    yield WorstRow(
      lesson,
      name,
      metrics.auc_within_class(scores["clean"], case.clean.predictions, lowest, targets),
      metrics.tpr_at_tnr(scores["clean"], lowest, threshold=case.thresholds[name]),
      int(moved.sum()),
      len(case.clean),
    )
