"""The defender answers: detectors that have seen HFC, and attacks that must all be caught.

Beyond the papers, whose detectors learn from the attack without HFC. Here they also learn from HFC
images of each aim, and from a mixture; an image counts as caught only if every attack on it is
(MEAD, Granese et al., ECML 2022); and a score that is far too normal counts as a sign (two-sided
AUC).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hfc_tf.attacks import Attack
from hfc_tf.evaluation import metrics
from hfc_tf.experiments.common import hfc_study, labelled_rows, study_result
from hfc_tf.results import tables
from hfc_tf.results.figures import MARKERS, PALETTE, Line, LineChart
from hfc_tf.results.labels import attack_label, share
from hfc_tf.results.result import Result, Table
from hfc_tf.results.rows import DefenderRow, WorstRow
from hfc_tf.study import comparison, hfc_weight
from hfc_tf.study.config import AIMS, Config

_LEARNT_FROM = {
  "plain": "the attack without HFC", "mode": "HFC at the mode",
  "typical": "HFC at typical features", "mixture": "all of them",
}  # fmt: skip
_AREA, _ADV_ACC = 0.6, 0.95  # what hides at its price
_NOTES = (
  "Worst case: an image that any attack moves to its target is scored by that of its successful "
  "attacks whose score is lowest; TPR@90 is the share of images all of whose attacks are caught. "
  "Two-sided is the mean over classes of max(AUC, 100 - AUC).",
)


def run(config: Config) -> Result:
  """Retrains the detectors.

  Args:
    config: its first attack, with HFC of each aim at each of the weights.

  Returns:
    The result, whose summary holds "worst_case" with a row a detector and what it learnt from.
  """
  study, name = hfc_study(config)
  every: dict[str, Attack] = {"attack": study.attack(name)}
  learnt_from = {"plain": dict(every)}
  for aim in AIMS:
    attacks = hfc_weight.hfc_attacks(study, name, aim=aim)
    if attacks:
      learnt_from[aim] = {f"{aim} {rule}": attack for rule, attack in attacks.items()}
      every |= learnt_from[aim]
  if len(learnt_from) > 1:
    learnt_from["mixture"] = every
  results = {
    label: comparison.evaluate(study, name, attack, None if label == "attack" else label)
    for label, attack in every.items()
  }
  rows: list[DefenderRow] = []
  worst: list[WorstRow] = []
  for source, attacks in learnt_from.items():
    detectors = comparison.fit_detectors(study, name, attacks)
    compared = comparison.score(study, detectors, results)
    rows += [
      DefenderRow(**row, learnt_from=source, aim=None if label == "attack" else label.split()[0])
      for label, row in labelled_rows(compared)
    ]
    worst += worst_case(source, compared)
  return study_result(
    "defender", study, rows, {"worst_case": worst},
    title=f"The defender answers {attack_label(name)} with HFC", lead=_findings(rows),
    tables=[_table(rows), _worst_table(worst)], figures=_figures(rows), notes=_NOTES,
  )  # fmt: skip


def worst_case(source: str, compared: comparison.Comparison) -> Iterator[WorstRow]:
  """Every detector against whichever attack it scores lowest, image by image."""
  results = compared.results.values()
  success = np.stack([result.success for result in results])  # [A, N]
  moved = success.any(axis=0)
  targets = next(iter(results)).targets[moved]
  for name, scores in compared.scores.items():
    each = np.stack([scores[label] for label in compared.results])  # [A, N]
    lowest = np.where(success, each, np.inf).min(axis=0)[moved]
    clean, threshold = scores["clean"], compared.thresholds[name]
    sides = clean, compared.clean.predictions, lowest, targets
    yield WorstRow(
      source, name, metrics.auc_within_class(*sides, fewest=metrics.FEWEST),
      metrics.tpr_at_tnr(clean, lowest, threshold=threshold), int(moved.sum()), len(clean),
    )  # fmt: skip


def _learnt_from(row: DefenderRow | WorstRow) -> str:
  return _LEARNT_FROM[row.learnt_from]


def _rule(rule: str | None) -> str:
  """ "mode auto" -> "HFC mode, auto"."""
  return "without HFC" if rule is None else "HFC " + ", ".join(rule.split(" ", 1))


def _findings(rows: Sequence[DefenderRow]) -> list[str]:
  hidden = [row for row in rows if row.hfc]
  if not hidden:
    return ["HFC reached no target at any of its weights."]
  what = "two-sided AUC within class, with HFC, of detectors taught"
  return [tables.means(hidden, _learnt_from, what)]


def _table(rows: Sequence[DefenderRow]) -> Table:
  return tables.detector_table(
    "AUC within class / two-sided with its 95 % interval, percent.", rows,
    {"Learnt from": _learnt_from, "Attack": lambda row: _rule(row.weight_rule)},
    fields=("auc_within_class", tables.TWO_SIDED), form="{} / {}",
  )  # fmt: skip


def _worst_table(worst: Sequence[WorstRow]) -> Table:
  return tables.detector_table(
    "Worst case over all attacks: AUC within class (TPR@90), percent, on the "
    f"{worst[0].n_adversarial} images that any of them moves.",
    worst, {"Learnt from": _learnt_from}, {}, ("auc_within_class", "tpr_at_90_tnr"), "{} ({})",
  )  # fmt: skip


def frontier(rows: Sequence[DefenderRow]) -> dict[str, dict[str, tuple[float, float]]]:
  """Of each aim and weight (Adv. Acc, the largest two-sided AUC within class), in rising order.

  Of the detectors that learnt from the attack without HFC; without attacks that moved no image.
  """
  curves: dict[str, dict[str, tuple[float, float]]] = {}
  plain = (row for row in rows if row.learnt_from == "plain" and row.aim is not None)
  for (aim, rule), group in tables.grouped(plain, "aim", "weight_rule").items():
    areas = [x for r in group if (x := r.auc_within_class_two_sided) is not None]
    if areas:
      curves.setdefault(aim, {})[_rule(rule)] = (group[0].adv_acc, max(areas))
  return {aim: dict(sorted(points.items(), key=lambda x: x[1])) for aim, points in curves.items()}


def _figures(rows: Sequence[DefenderRow]) -> list[LineChart]:
  """Who is hidden at what price, where an aim has several weights."""
  curves = frontier(rows)
  if max(map(len, curves.values()), default=0) < 2:
    return []
  lines = []
  for (aim, points), color, marker in zip(curves.items(), PALETTE, MARKERS, strict=False):
    x, y = 100 * np.array(list(points.values())).T
    lines.append(Line(f"HFC {aim}", x, y, color, marker=marker))
  return [LineChart(
    "worst_detector", "The detector that sees most, against success", lines=lines,
    x_label="Adv. Acc (%)", y_label="largest two-sided AUC within class (%)",
    y_range=(49, 101), level=100 * _AREA, upright=100 * _ADV_ACC,
    alt="; ".join(f"{name}: Adv. Acc {share(adv_acc)}, AUC {share(area)}"
                  for points in curves.values() for name, (adv_acc, area) in points.items()),
    caption="A point a weight on HFC, against detectors that learnt from the attack without it. "
    f"The grey lines are an attacker's goals: Adv. Acc of {share(_ADV_ACC, 0)}, and no AUC above "
    f"{share(_AREA, 0)}.",
  )]  # fmt: skip
