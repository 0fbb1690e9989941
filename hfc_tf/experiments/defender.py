"""The defender answers: detectors that have seen HFC, and attacks that must all be caught.

Beyond the papers, whose detectors learn from the attack without HFC. Here they also learn from HFC
images of each aim, and from a mixture; an image counts as caught only if every attack on it is
(MEAD, Granese et al., ECML 2022); and a score that is far too normal counts as a sign (two-sided
AUC).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from hfc_tf.attacks import Attack
from hfc_tf.evaluation import metrics
from hfc_tf.experiments.common import hiding_study, labelled_rows, study_result
from hfc_tf.results import tables
from hfc_tf.results.detection import DefenderRow, WorstRow
from hfc_tf.results.figures import MARKERS, PALETTE, Line, LineChart
from hfc_tf.results.labels import attack_label, percent
from hfc_tf.results.result import Result, Table
from hfc_tf.study import comparison, hfc_weight
from hfc_tf.study.config import AIMS, Config

_LESSONS = {
  "plain": "the attack without HFC", "mode": "HFC at the mode",
  "typical": "HFC at typical features", "mixture": "all of them",
}  # fmt: skip
_AREA, _ADV_ACC = 0.6, 0.95  # what hides at its price
_NOTES = (
  "Detectors learn on AdvTrain and are asked about AdvTest; attacks do not know them.",
  "Worst case: an image that any attack moves to its target is scored by that of its successful "
  "attacks whose score is lowest; TPR@90 is the share of images all of whose attacks are caught.",
  "Two-sided is max(AUC, 1 - AUC): what a defender gets who looks on both sides.",
)


def run(config: Config) -> Result:
  """Retrains the detectors.

  Args:
    config: its first attack, with HFC of each aim at each of the weights.

  Returns:
    The result, whose summary holds "worst_case" with a row a detector and lesson.
  """
  begun = time.monotonic()
  study, name = hiding_study(config)
  plain = study.attack(name)
  every: dict[str, Attack] = {"attack": plain}
  lessons = {"plain": dict(every)}
  for aim in AIMS:
    hidden = hfc_weight.hfc_attacks(study, name, aim=aim)
    if hidden:
      lessons[aim] = {f"{aim} {rule}": attack for rule, attack in hidden.items()}
      every |= lessons[aim]
  if len(lessons) > 1:
    lessons["mixture"] = every
  adversarials = {
    label: comparison.evaluate(study, name, attack, None if label == "attack" else label)
    for label, attack in every.items()
  }
  rows: list[DefenderRow] = []
  worst: list[WorstRow] = []
  for lesson, attacks in lessons.items():
    compared = comparison.score(study, comparison.fit_detectors(study, name, attacks), adversarials)
    rows += [
      DefenderRow(**row, learnt_from=lesson, aim=None if label == "attack" else label.split()[0])
      for label, row in labelled_rows(compared)
    ]
    worst += worst_case(lesson, compared)
  return study_result(
    "defender", study, begun, rows, {"worst_case": worst},
    title=f"The defender answers {attack_label(name)} with HFC",
    findings=list(_findings(rows, worst)), tables=[_table(rows), _worst_table(worst)],
    figures=list(_figure(rows)), notes=_NOTES,
  )  # fmt: skip


def worst_case(lesson: str, compared: comparison.Comparison) -> Iterator[WorstRow]:
  """Every detector against whichever attack it scores lowest, image by image."""
  success = np.stack([result.success for result in compared.results.values()])  # [A, N]
  moved = success.any(axis=0)
  targets = next(iter(compared.results.values())).targets[moved]
  for name, scores in compared.scores.items():
    each = np.stack([scores[label] for label in compared.results])  # [A, N]
    lowest = np.where(success, each, np.inf).min(axis=0)[moved]
    yield WorstRow(
      lesson,
      name,
      metrics.auc_within_class(scores["clean"], compared.clean.predictions, lowest, targets),
      metrics.tpr_at_tnr(scores["clean"], lowest, threshold=compared.thresholds[name]),
      int(moved.sum()),
      len(compared.clean),
    )


def _lesson(row: DefenderRow | WorstRow) -> str:
  return _LESSONS[row.learnt_from]


def _rule(rule: str | None) -> str:
  """ "mode auto" -> "HFC mode, auto"."""
  return "without HFC" if rule is None else "HFC " + ", ".join(rule.split(" ", 1))


def _findings(rows: Sequence[DefenderRow], worst: Sequence[WorstRow]) -> Iterator[str]:
  all_caught = tables.grouped(worst, "learnt_from")
  hidden = tables.grouped((row for row in rows if row.hfc), "learnt_from")
  if not hidden:
    yield "HFC reached no target at any of its weights."
  for (lesson,), group in hidden.items():
    yield (
      f"Detectors that learnt from {_LESSONS[lesson]} reach a mean AUC of "
      f"{tables.mean_area(group)} on HFC images "
      f"({tables.mean_area(group, 'auc_within_class_two_sided')} two-sided), and of "
      f"{tables.mean_area(all_caught[lesson,])} in the worst case over the attacks."
    )


def _table(rows: Sequence[DefenderRow]) -> Table:
  return tables.detector_table(
    "AUC within class, two-sided in brackets, percent.", rows,
    {"Learnt from": _lesson, "Attack": lambda row: _rule(row.weight_rule)},
    aside="auc_within_class_two_sided",
  )  # fmt: skip


def _worst_table(worst: Sequence[WorstRow]) -> Table:
  return tables.detector_table(
    "Worst case over all attacks: AUC within class (TPR@90), percent, on the "
    f"{worst[0].n_adversarial} images that any of them moves.",
    worst, {"Learnt from": _lesson}, {}, "tpr_at_90_tnr",
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


def _figure(rows: Sequence[DefenderRow]) -> Iterator[LineChart]:
  """Who is hidden at what price, where an aim has several weights."""
  curves = frontier(rows)
  if max(map(len, curves.values()), default=0) < 2:
    return
  lines = []
  for (aim, points), color, marker in zip(curves.items(), PALETTE, MARKERS, strict=False):
    x, y = ([100 * value for value in values] for values in zip(*points.values(), strict=True))
    lines.append(Line(f"HFC {aim}", x, y, color, marker=marker))
  yield LineChart(
    "worst_detector", "The detector that sees most, against success", lines=lines,
    x_label="Adv. Acc (%)", y_label="largest two-sided AUC within class (%)",
    y_range=(49, 101), level=100 * _AREA, upright=100 * _ADV_ACC,
    alt="; ".join(
      f"{name}: Adv. Acc {percent(share, unit=True)}, AUC {percent(area, unit=True)}"
      for points in curves.values()
      for name, (share, area) in points.items()
    ),
    caption="A point a weight on HFC, against detectors that learnt from the attack without it. "
    f"The grey lines are an attacker's goals: Adv. Acc of {percent(_ADV_ACC, 0, unit=True)}, and "
    f"no AUC above {percent(_AREA, 0, unit=True)}.",
  )  # fmt: skip
