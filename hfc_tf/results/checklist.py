"""What Carlini et al. ask of an evaluation, and the rules by which its answers are judged."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hfc_tf.results import tables
from hfc_tf.results.claims_base import Interval, all_of, points
from hfc_tf.results.labels import attack_label, detector_label, hfc_label
from hfc_tf.results.result import Table

MARGIN = 0.1  # a difference below it is none
VERDICTS = {True: "holds", False: "does not hold", None: "undecided"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ChecklistRow:
  """One attack, or noise, on AdvTest: how many images it moves and what one detector says of it.

  `flagged` is the share of all its images, whether moved or not, above AdvTrain's threshold; the
  AUC is of those moved. Without a detector these are None.
  """

  item: str
  attack: str
  weight_rule: str | None
  targeted: bool
  eps_256: float
  steps: int
  restarts: int
  adv_acc: float
  adv_acc_low: float
  adv_acc_high: float
  n_attacked: int
  detector: str | None = None
  flagged: float | None = None
  flagged_low: float | None = None
  flagged_high: float | None = None
  auc_within_class_two_sided: float | None = None
  auc_within_class_two_sided_low: float | None = None
  auc_within_class_two_sided_high: float | None = None
  n_adversarial: int | None = None
  n_clean: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
  """One question of the list, answered: "holds", "does not hold" or "undecided"."""

  item: str
  question: str
  verdict: str
  numbers: str


def answer(
  item: str, question: str, holds: Iterable[bool | None], numbers: Iterable[str]
) -> Answer:
  """The answer where all of some decisions must hold; undecided without any."""
  decisions = list(holds)
  verdict = VERDICTS[all_of(decisions) if decisions else None]
  return Answer(item=item, question=question, verdict=verdict, numbers="; ".join(numbers))


def no_less(change: Interval) -> bool | None:
  """Whether a figure is no smaller than another, to the margin."""
  return change.above(-MARGIN)


def same(changes: Iterable[Interval]) -> list[bool | None]:
  """Whether each change is none, to the margin."""
  return [change.within(MARGIN) for change in changes]


def change_text(label: str, change: Interval) -> str:
  """ "four times the steps: 1.1 points [-3 to 5], n = 90"."""
  return f"{label}: {points(change)}"


def answers_table(answers: Sequence[Answer]) -> Table:
  """A line a question."""
  return tables.table(
    "Carlini et al. (On Evaluating Adversarial Robustness, 2019), item by item.", answers,
    {"Question": "question", "Answer": "verdict", "Numbers": "numbers"},
    "Judged by two-sided 95 % intervals, paired over images where both attacks are on the same "
    f"ones; a change within {MARGIN:.0%} is none. The rules were written before any of these "
    "results were seen.",
  )  # fmt: skip


def rows_tables(rows: Sequence[ChecklistRow]) -> Iterator[Table]:
  """Every attack that was made, and what detectors say of it."""
  first: dict[str, tables.Column] = {
    "Item": "item", "Attack": _attack, "Targeted": lambda row: "yes" if row.targeted else "no",
    "ε (1/256)": lambda row: f"{row.eps_256:g}", "Steps": "steps", "Restarts": "restarts",
  }  # fmt: skip
  yield tables.table(
    "Success of every attack, percent, with 95 % intervals; noise: predictions that change.",
    [group[0] for group in _groups(rows)],
    {**first, "Moved": tables.interval("adv_acc"), "Images": "n_attacked"},
  )
  yield tables.table(
    "What detectors say of them, percent.", [row for row in rows if row.detector],
    {**first, "Detector": lambda row: detector_label(row.detector),
     "Flagged": tables.interval("flagged"), "AUC two-sided": tables.TWO_SIDED,
     "Moved images": "n_adversarial"},
    "Flagged: share above the threshold that 90 % of AdvTrain's clean images pass.",
  )  # fmt: skip


def _groups(rows: Sequence[ChecklistRow]) -> list[list[ChecklistRow]]:
  fields = ("item", "attack", "weight_rule", "targeted", "eps_256", "steps", "restarts", "adv_acc")
  return list(tables.grouped(rows, *fields).values())


def _attack(row: Any) -> str:
  label = "random signs" if row.attack == "noise" else attack_label(row.attack)
  return label if row.weight_rule is None else f"{label} {hfc_label(row.weight_rule)}"
