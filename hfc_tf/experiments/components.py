"""How many components does HFC need?

TMI Table III: AUC of every detector against HFC with M = 1, 2, 4, ... 128 components, their average
and their maximum. The attacker wants both small.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from hfc_tf.attacks.objectives import HFC
from hfc_tf.evaluation.protocol import DetectionRow
from hfc_tf.experiments.common import AREAS, cells, heads, mean, printed, published
from hfc_tf.report.experiment import Table, study_results, write_experiment
from hfc_tf.report.rows import percent
from hfc_tf.report.words import attack_label
from hfc_tf.study import cases, hiding
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study

COMPONENTS = (1, 2, 4, 8, 16, 32, 64, 128)
_NOTES = (
  "The detectors learnt from the attack without HFC and are the same in every row.",
  "Cells are AUCs within class; in brackets the pooled ones, which the papers report. Average and "
  "maximum are of the AUCs within class.",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row(DetectionRow):
  """One detector against the attack hidden with M components; None without HFC."""

  components: int | None


def run(config: Config, components: Sequence[int] = COMPONENTS) -> dict[str, Any]:
  """Attacks with every number of components and writes the report into config.out.

  Args:
    config: its first attack is made with HFC at the first of its weights ("auto": one for each M).
    components: values of M; those above the Train images of a class are left out.

  Returns:
    What results.json holds.
  """
  begun = time.monotonic()
  study = Study(dataclasses.replace(config, hfc=True).resolved())
  name, rule = study.config.attacks[0], study.config.hfc_weights[0]
  fewest = int(np.bincount(study.train.labels).min())
  usable = [count for count in components if count <= fewest]
  if len(usable) < len(components):
    study.warn(f"A class has {fewest} Train images: more components than that are left out.")
  plain = study.attack(name)
  detectors = cases.fitted(study, name, {"attack": plain})
  shots = {"none": cases.shoot(study, name, plain)}
  weight: float | None = 1.0
  for count in usable:
    attack = study.attack(name, HFC(study.density_of(count)[0]))
    auto = rule == "auto"
    weight = hiding.tuned(study, name, attack, "hfc", weight or 1.0) if auto else float(rule)
    if weight is not None:
      hidden = hiding.weighted(attack, "hfc", weight)
      shots[str(count)] = cases.shoot(study, name, hidden, hiding.rule_of(rule))
  case = cases.scored(study, detectors, shots)
  rows = [
    Row(**vars(row), components=None if label == "none" else int(label))
    for label in shots
    for row in case.rows_of(label)
  ]
  dataset = study.config.dataset
  tables = [_table(rows)]
  if published(setting="components", dataset=dataset):
    tables.append(_papers(dataset))
  return write_experiment(
    config.out,
    study_results("components", study, begun),
    rows,
    title=f"Components of HFC, {attack_label(name)}",
    lead=_findings(rows),
    tables=tables,
    notes=_NOTES,
  )


def averages(rows: Sequence[Row]) -> dict[int | None, float]:
  """The mean AUC within class of the detectors, by M; None without HFC."""
  found = {
    count: mean(row.auc_within_class for row in rows if row.components == count)
    for count in dict.fromkeys(row.components for row in rows)
  }
  return {count: value for count, value in found.items() if value is not None}


def _findings(rows: Sequence[Row]) -> list[str]:
  hidden = {count: value for count, value in averages(rows).items() if count is not None}
  if not hidden:
    return ["HFC reached no target with any number of components."]
  best, worst = min(hidden, key=hidden.__getitem__), max(hidden, key=hidden.__getitem__)
  return [
    f"The detectors' average AUC lies between {percent(hidden[best], unit=True)} (M = {best}) and "
    f"{percent(hidden[worst], unit=True)} (M = {worst}): the number of components moves it by "
    f"{100 * (hidden[worst] - hidden[best]):.1f} points."
  ]


def _table(rows: Sequence[Row]) -> Table:
  detectors = list(dict.fromkeys(row.detector for row in rows))
  mean_of, body = averages(rows), []
  for count in dict.fromkeys(row.components for row in rows):
    own = [row for row in rows if row.components == count]
    areas = [row.auc_within_class for row in own if row.auc_within_class is not None]
    body.append([
      "without HFC" if count is None else str(count), *cells(own, detectors),
      percent(mean_of.get(count)), percent(max(areas, default=None)), percent(own[0].adv_acc),
      f"{own[0].hfc_weight:.3g}",
    ])  # fmt: skip
  head = ["M", *heads(detectors), "Average", "Maximum", "Adv. Acc", "Weight"]
  return Table(f"{AREAS}, by number of components M.", head, body)


def _papers(dataset: str) -> Table:
  names = ("kd", "maha", "lid", "svm", "dnn", "bu")
  columns = [*((name, "auc") for name in names), (None, "auc_average"), (None, "auc_maximum")]
  body = []
  for count in COMPONENTS:
    fields = {"setting": "components", "dataset": dataset, "components": count}
    line = [published(**fields, detector=name, metric=metric) for name, metric in columns]
    body.append([str(count), *(printed(cell, "with_hfc") for cell in line)])
  head = ["M", *heads(names), "Average", "Maximum"]
  note = "At M = 8 the printed average is 57.8 where the rows give 52.1."
  return Table("The papers: pooled AUC, percent (TMI, Table III).", head, body, note)
