"""The defender answers: detectors that have seen HFC, and attacks that must all be caught.

Beyond the papers, whose detectors learn from the attack without HFC. Here they also learn from HFC
images, and from a mixture; an image counts as caught only if every attack on it is (MEAD, Granese
et al., ECML 2022); and a score that is far too normal counts as a sign (two-sided AUC).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hfc_tf.attacks import Attack
from hfc_tf.attacks.objectives import HFC
from hfc_tf.evaluation import metrics
from hfc_tf.evaluation.protocol import DetectionRow
from hfc_tf.experiments.common import heads, mean
from hfc_tf.report.experiment import Table, study_results, write_experiment
from hfc_tf.report.rows import percent
from hfc_tf.report.words import attack_label
from hfc_tf.study import cases, hiding
from hfc_tf.study.config import AIMS, Config
from hfc_tf.study.study import Study

_LESSONS = {
  "plain": "the attack without HFC",
  "hfc": "the attack with HFC",
  "mixture": "both",
}
_NOTES = (
  "Detectors learn on AdvTrain and are asked about AdvTest; attacks do not know them.",
  "Worst case: an image that any attack moves to its target is scored by that of its successful "
  "attacks whose score is lowest; TPR@90 is the share of images all of whose attacks are caught.",
  "Two-sided is max(AUC, 1 - AUC): what a defender gets who looks on both sides.",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row(DetectionRow):
  """One detector against one arm; `learnt_from` is "plain", "hfc" or "mixture".

  `aim` is that of HFC, None without it.
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
    config: its first attack, with HFC at each of its weights.

  Returns:
    What results.json holds; "worst_case" has a row a detector and lesson.
  """
  begun = time.monotonic()
  study = Study(dataclasses.replace(config, hfc=True).resolved())
  name = study.config.attacks[0]
  plain = study.attack(name)
  hidden: dict[str, Attack] = {}
  for aim in AIMS:
    own = hiding.hidden(study, name, HFC(study.density[0]))
    hidden |= {f"{aim} {rule}": attack for rule, attack in own.items()}
  lessons = {"plain": {"attack": plain}, "hfc": hidden, "mixture": {"attack": plain, **hidden}}
  shots = {
    label: cases.shoot(study, name, attack, None if label == "attack" else label)
    for label, attack in lessons["mixture"].items()
  }
  rows, worst = [], []
  for lesson, attacks in lessons.items():
    case = cases.scored(study, cases.fitted(study, name, attacks), shots)
    rows += [
      Row(**vars(row), learnt_from=lesson, aim=None if label == "attack" else label.split()[0])
      for label in shots
      for row in case.rows_of(label)
    ]
    worst += list(worst_case(lesson, case))
  results = study_results("defender", study, begun)
  return write_experiment(
    config.out,
    results | {"worst_case": [dataclasses.asdict(row) for row in worst]},
    rows,
    title=f"The defender answers {attack_label(name)} with HFC",
    lead=list(_findings(rows, worst)),
    tables=[_table(rows), _worst_table(worst)],
    notes=_NOTES,
  )


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


def _arms(rows: Sequence[Row]) -> Mapping[tuple[str, str | None], list[Row]]:
  """Rows by (lesson, rule of the arm)."""
  keys = dict.fromkeys((row.learnt_from, row.weight_rule) for row in rows)
  return {key: [r for r in rows if (r.learnt_from, r.weight_rule) == key] for key in keys}


def _findings(rows: Sequence[Row], worst: Sequence[WorstRow]) -> Iterator[str]:
  for lesson, words in _LESSONS.items():
    hidden = [row for row in rows if row.learnt_from == lesson and row.hfc]
    area = mean(row.auc_within_class for row in hidden)
    sided = mean(row.auc_within_class_two_sided for row in hidden)
    all_caught = mean(row.auc_within_class for row in worst if row.learnt_from == lesson)
    yield (
      f"Detectors that learnt from {words} reach a mean AUC of {percent(area, unit=True)} on HFC "
      f"images ({percent(sided, unit=True)} two-sided), and of {percent(all_caught, unit=True)} in "
      "the worst case over the attacks."
    )


def _table(rows: Sequence[Row]) -> Table:
  detectors = list(dict.fromkeys(row.detector for row in rows))
  body = []
  for (lesson, rule), own in _arms(rows).items():
    by_name = {row.detector: row for row in own}
    body.append([
      _LESSONS[lesson], "without HFC" if rule is None else f"HFC, {rule}",
      *(f"{percent(by_name[d].auc_within_class)} ({percent(by_name[d].auc_within_class_two_sided)})"
        for d in detectors), percent(own[0].adv_acc),
    ])  # fmt: skip
  head = ["Learnt from", "Attack", *heads(detectors), "Adv. Acc"]
  return Table("AUC within class, two-sided in brackets, percent.", head, body)


def _worst_table(worst: Sequence[WorstRow]) -> Table:
  detectors = list(dict.fromkeys(row.detector for row in worst))
  body = []
  for lesson, words in _LESSONS.items():
    own = {row.detector: row for row in worst if row.learnt_from == lesson}
    body.append([words, *(f"{percent(own[d].auc_within_class)} ({percent(own[d].tpr_at_90_tnr)})"
                          for d in detectors)])  # fmt: skip
  caption = f"Worst case over all attacks: AUC within class (TPR@90), percent, on the " \
    f"{worst[0].n_adversarial} images that any of them moves."  # fmt: skip
  return Table(caption, ["Learnt from", *heads(detectors)], body)
