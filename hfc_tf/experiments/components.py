"""How many components does HFC need?

TMI Table III: AUC of every detector against HFC with M = 1, 2, 4, ... 128 components, their average
and their maximum. The attacker wants both small.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from hfc_tf.attacks.objectives import HFC
from hfc_tf.errors import InputError
from hfc_tf.experiments.common import hiding_study, labelled_rows, study_result
from hfc_tf.results import tables
from hfc_tf.results.detection import ComponentsRow
from hfc_tf.results.labels import attack_label, fraction, percent
from hfc_tf.results.result import Result, Table
from hfc_tf.study import comparison, hfc_weight
from hfc_tf.study.config import Config

COMPONENTS = (1, 2, 4, 8, 16, 32, 64, 128)
_NOTES = (
  "The detectors learnt from the attack without HFC and are the same in every row.",
  f"{tables.CELLS} Average and maximum are of the AUCs within class.",
)


def run(config: Config, components: Sequence[int] = COMPONENTS) -> Result:
  """Attacks with every number of components.

  Args:
    config: its first attack is made with HFC at the first of its weights ("auto": one for each M).
    components: values of M; those above the Train images of a class are left out.

  Raises:
    InputError: for another aim than the papers'.
  """
  if config.aim != "mode":
    raise InputError("--aim=mode", f"--aim={config.aim}", "components are compared as in the paper")
  begun = time.monotonic()
  study, name = hiding_study(config)
  rule = study.config.hfc_weights[0]
  fewest = int(np.bincount(study.train.labels).min())
  usable = [count for count in components if count <= fewest]
  if len(usable) < len(components):
    study.warn(f"A class has {fewest} Train images: more components than that are left out.")
  plain = study.attack(name)
  detectors = comparison.fit_detectors(study, name, {"attack": plain})
  adversarials = {"none": comparison.evaluate(study, name, plain)}
  weight: float | None = 1.0
  for count in usable:
    attack = study.attack(name, HFC(study.density_of(count)))
    auto = rule == "auto"
    if auto:
      weight = hfc_weight.tune_weight(study, name, attack, "hfc", weight or 1.0)
    else:
      weight = float(rule)
    if weight is not None:
      hidden = hfc_weight.with_weight(attack, "hfc", weight)
      label = hfc_weight.weight_rule(rule)
      adversarials[str(count)] = comparison.evaluate(study, name, hidden, label)
  rows = [
    ComponentsRow(**row, components=None if label == "none" else int(label))
    for label, row in labelled_rows(comparison.score(study, detectors, adversarials))
  ]
  return study_result(
    "components", study, begun, rows,
    title=f"Components of HFC, {attack_label(name)}",
    findings=[tables.mean_areas(rows, _label)],
    tables=[_table(rows), *_papers(study.config.dataset)], notes=_NOTES,
  )  # fmt: skip


def _label(row: ComponentsRow) -> str:
  return "without HFC" if row.components is None else f"M = {row.components}"


def _highest(rows: Sequence[ComponentsRow]) -> str:
  areas = [row.auc_within_class for row in rows if row.auc_within_class is not None]
  return percent(max(areas, default=None))


def _table(rows: Sequence[ComponentsRow]) -> Table:
  return tables.detector_table(
    f"{tables.AREAS}, by number of components M.",
    rows,
    {"M": lambda row: _label(row).removeprefix("M = ")},
    {
      "Average": lambda group: percent(tables.mean(row.auc_within_class for row in group)),
      "Maximum": _highest,
      "Adv. Acc": tables.adv_acc,
      "Weight": lambda group: fraction(group[0].hfc_weight),
    },
  )


def _papers(dataset: str) -> list[Table]:
  fields = {"setting": "components", "dataset": dataset}
  return tables.papers_table(
    "The papers: pooled AUC, percent (TMI, Table III).", ["M"],
    [([str(count)], "with_hfc", fields | {"components": count}) for count in COMPONENTS],
    (*tables.MAIN, "bu"), ("auc_average", "auc_maximum"),
    "At M = 8 the printed average is 57.8 where the rows give 52.1.",
  )  # fmt: skip
