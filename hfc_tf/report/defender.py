"""The page on the defender's answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hfc_tf.report import arms
from hfc_tf.report.charts import MARKERS, PALETTE, Line, line_chart
from hfc_tf.report.experiment import Section, Table
from hfc_tf.report.figures import Figure
from hfc_tf.report.rows import percent
from hfc_tf.report.words import attack_label

if TYPE_CHECKING:
  from hfc_tf.experiments.defender import Row, WorstRow

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


def section(attack: str, rows: Sequence[Row], worst: Sequence[WorstRow]) -> Section:
  """What the experiment's page shows."""
  return Section(
    f"The defender answers {attack_label(attack)} with HFC", list(_findings(rows, worst)),
    [_table(rows), _worst_table(worst)], list(_figure(rows)), _NOTES,
  )  # fmt: skip


def _lesson(row: Row | WorstRow) -> str:
  return _LESSONS[row.learnt_from]


def _words(rule: str | None) -> str:
  """ "mode auto" -> "HFC mode, auto"."""
  return "without HFC" if rule is None else "HFC " + ", ".join(rule.split(" ", 1))


def _findings(rows: Sequence[Row], worst: Sequence[WorstRow]) -> Iterator[str]:
  all_caught = arms.grouped(worst, "learnt_from")
  hidden = arms.grouped((row for row in rows if row.hfc), "learnt_from")
  if not hidden:
    yield "HFC reached no target at any of its weights."
  for (lesson,), own in hidden.items():
    yield (
      f"Detectors that learnt from {_LESSONS[lesson]} reach a mean AUC of {arms.mean_area(own)} on "
      f"HFC images ({arms.mean_area(own, 'auc_within_class_two_sided')} two-sided), and of "
      f"{arms.mean_area(all_caught[lesson,])} in the worst case over the attacks."
    )


def _table(rows: Sequence[Row]) -> Table:
  return arms.detector_table(
    "AUC within class, two-sided in brackets, percent.", rows,
    {"Learnt from": _lesson, "Attack": lambda row: _words(row.weight_rule)},
    aside="auc_within_class_two_sided",
  )  # fmt: skip


def _worst_table(worst: Sequence[WorstRow]) -> Table:
  return arms.detector_table(
    "Worst case over all attacks: AUC within class (TPR@90), percent, on the "
    f"{worst[0].n_adversarial} images that any of them moves.",
    worst, {"Learnt from": _lesson}, {}, "tpr_at_90_tnr",
  )  # fmt: skip


def frontier(rows: Sequence[Row]) -> dict[str, dict[str, tuple[float, float]]]:
  """Of each aim and arm (Adv. Acc, the largest two-sided AUC within class), in rising order.

  Of the detectors that learnt from the attack without HFC; arms that moved no image are left out.
  """
  found: dict[str, dict[str, tuple[float, float]]] = {}
  plain = (row for row in rows if row.learnt_from == "plain" and row.aim is not None)
  for (aim, rule), own in arms.grouped(plain, "aim", "weight_rule").items():
    areas = [r.auc_within_class_two_sided for r in own if r.auc_within_class_two_sided is not None]
    if areas:
      found.setdefault(aim, {})[_words(rule)] = (own[0].adv_acc, max(areas))
  return {aim: dict(sorted(points.items(), key=lambda x: x[1])) for aim, points in found.items()}


def _figure(rows: Sequence[Row]) -> Iterator[Figure]:
  """Who is hidden at what price, where an aim has several weights."""
  curves = frontier(rows)
  if max(map(len, curves.values()), default=0) < 2:
    return
  lines = []
  for (aim, points), color, marker in zip(curves.items(), PALETTE, MARKERS, strict=False):
    x, y = ([100 * value for value in values] for values in zip(*points.values(), strict=True))
    lines.append(Line(f"HFC {aim}", x, y, color, marker=marker))
  yield line_chart(
    "worst_detector", "The detector that sees most, against success", lines,
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
