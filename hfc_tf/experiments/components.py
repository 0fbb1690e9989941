"""How many components does HFC need?

TMI Table III: AUC of every detector against HFC with M = 1, 2, 4, ... 128 components, their average
and their maximum. The attacker wants both small.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from hfc_tf.attacks.objectives import HFC
from hfc_tf.errors import InputError
from hfc_tf.experiments.common import hfc_study, labelled_rows, study_result
from hfc_tf.results import tables
from hfc_tf.results.labels import attack_label, fraction, hfc_label, percent
from hfc_tf.results.result import Result, Table
from hfc_tf.results.rows import ComponentsRow
from hfc_tf.study import comparison, hfc_weight, pairs
from hfc_tf.study.config import Config

COMPONENTS = (1, 2, 4, 8, 16, 32, 64, 128)
_PAPERS = (*tables.MAIN, "bu")  # detectors of TMI Table III
_NOTES = (
  "The detectors learnt from the attack without HFC and are the same in every row. "
  f"{tables.CELLS} Average and maximum are of the two-sided AUCs within class of all detectors "
  "here, in brackets of the pooled ones of those that the papers ask, as their last columns are.",
)


def run(config: Config, components: Sequence[int] = COMPONENTS) -> Result:
  """Attacks with every number of components.

  Args:
    config: its first attack is made with HFC at the last of its weights ("auto": one for each M).
    components: values of M; those above the Train images of a class are left out.

  Raises:
    InputError: for another aim than the papers'.
  """
  if config.aim != "mode":
    raise InputError("--aim=mode", f"--aim={config.aim}", "components are compared as in the paper")
  study, name = hfc_study(config)
  rule = study.config.hfc_weights[-1]
  fewest = int(np.bincount(study.train.labels).min())
  if any(count > fewest for count in components):
    study.warn(f"A class has {fewest} Train images: more components than that are left out.")
  plain = study.attack(name)
  detectors = comparison.fit_detectors(study, name, {"attack": plain})
  results = {"none": comparison.evaluate(study, name, plain)}
  start = 1.0
  for count in (count for count in components if count <= fewest):
    attack = hfc_weight.hfc_attack(study, name, HFC(study.density_of(count)), rule, start=start)
    if attack is not None:
      start = attack.weights["hfc"]
      label = hfc_weight.weight_rule(rule)
      results[str(count)] = comparison.evaluate(study, name, attack, label)
  compared = comparison.score(study, detectors, results)
  rows = [
    ComponentsRow(**row, components=None if label == "none" else int(label))
    for label, row in labelled_rows(compared)
  ]
  fewest_first, *others = [label for label in results if label != "none"] or [""]
  paired = [
    row for label in others
    for row in pairs.pair("components", (compared, label), (compared, fewest_first))
  ]  # fmt: skip
  published = tables.papers_table(
    "The papers: pooled AUC, percent.", _PAPERS, setting="components",
    dataset=study.config.dataset,
  )  # fmt: skip
  averages = []
  for (count,), group in tables.grouped(rows, "components").items():
    areas = pooled(group)
    most = max(areas, default=None)
    averages.append({"components": count, "auc_average": tables.mean(areas), "auc_maximum": most})
  return study_result(
    "components", study, rows, {"pooled": averages, "pairs": paired},
    title=f"Components of HFC, {attack_label(name)}, {hfc_label(hfc_weight.weight_rule(rule))}",
    lead=[tables.means(rows, _label)], tables=[_table(rows), *published],
    notes=_NOTES,
  )  # fmt: skip


def _label(row: ComponentsRow) -> str:
  return "without HFC" if row.components is None else f"M = {row.components}"


def pooled(rows: Sequence[ComponentsRow]) -> list[float]:
  """The pooled AUCs of one attack by the papers' detectors, of which Table III has the average."""
  return [x for row in rows if row.detector in _PAPERS and (x := row.auc) is not None]


def _table(rows: Sequence[ComponentsRow]) -> Table:
  def over(pick: Callable[[list[float]], float | None]) -> Callable[[Sequence[ComponentsRow]], str]:
    def cell(group: Sequence[ComponentsRow]) -> str:
      sides = [x for row in group if (x := row.auc_within_class_two_sided) is not None]
      return f"{percent(pick(sides))} ({percent(pick(pooled(group)))})"

    return cell

  return tables.detector_table(
    f"{tables.AREAS}, by number of components M.", rows,
    {"M": lambda row: _label(row).removeprefix("M = ")},
    {
      "Average": over(tables.mean), "Maximum": over(lambda areas: max(areas, default=None)),
      "Adv. Acc": tables.adv_acc,
      "Weight": lambda group: fraction(group[0].hfc_weight),
    },
  )  # fmt: skip
