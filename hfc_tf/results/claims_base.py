"""What rules of claims are made of: intervals, what they decide, and who may be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from hfc_tf.evaluation import metrics
from hfc_tf.results.labels import model_label, number, percent, share

Results = Mapping[str, Any]
Row = Mapping[str, Any]
# Whether the rule holds, None where the intervals leave it open, or a verdict; and the numbers.
Judged = Iterator[tuple[bool | str | None, str]]

TWO_SIDED = "auc_within_class_two_sided"
ELSEWHERE = "not tested in the papers' setting"
ONE_TRAINING = "one training"
FEWEST_TRAININGS = 3
FORMS = ("balanced", "paper", "auto")  # of HFC, by preference
# The rule that picks one form of HFC, for the page.
ONE_FORM = "HFC balanced, where a run has none of it the papers' weight 1"


class Claim(NamedTuple):
  """One claim.

  Attributes:
    experiment: whose results decide.
    text: the claim. source: where the papers make it.
    rule: when it counts as confirmed, and when as not.
    known: which results were known when the rule was written.
    judge: what the rule says of each of the results' attacks, backbones, ..., all of which must
      confirm it; nothing where the results cannot tell.
  """

  experiment: str
  text: str
  source: str
  rule: str
  known: str
  judge: Callable[[Results], Judged]


class Interval(NamedTuple):
  """A figure with the ends of its 95 % interval, of n images on the smaller side."""

  value: float
  low: float
  high: float
  n: int

  def above(self, bound: float) -> bool | None:
    """Whether the figure lies above it; None where the interval holds the bound."""
    return True if self.low > bound else False if self.high < bound else None

  def below(self, bound: float) -> bool | None:
    """Whether the figure lies below it; None where the interval holds the bound."""
    return True if self.high < bound else False if self.low > bound else None

  def within(self, bound: float) -> bool | None:
    """Whether it lies between -bound and bound; None where the interval holds either."""
    inside = -bound < self.low and self.high < bound
    return True if inside else False if self.low > bound or self.high < -bound else None

  def less(self, other: Interval) -> bool | None:
    """Whether the figure is the smaller one; None where the intervals overlap."""
    return True if self.high < other.low else False if self.low > other.high else None

  def __str__(self) -> str:
    return f"{share(self.value)} [{percent(self.low, 0)}–{percent(self.high, 0)}], n = {self.n}"


def claims(known: str) -> tuple[list[Claim], Callable[..., Callable[[Any], None]]]:
  """A list of claims, and the decorator of a judge that adds one to it."""
  made: list[Claim] = []

  def claim(experiment: str, text: str, source: str, rule: str) -> Callable[[Any], None]:
    return lambda judge: made.append(Claim(experiment, text, source, rule, known, judge))

  return made, claim


def all_of(decisions: Iterable[bool | None]) -> bool | None:
  """False if one is false, else None if one is open, else True."""
  decisions = list(decisions)
  return False if False in decisions else None if None in decisions else True


def interval(row: Row, field: str = TWO_SIDED, n: str = "n_adversarial") -> Interval | None:
  """A field of a row with its ends; None where it is missing or of fewer than 20 images."""
  value, low, high = (row.get(f"{field}{end}") for end in ("", "_low", "_high"))
  if value is None or low is None or high is None:
    return None
  count = int(row.get(n) or 0)
  count = min(count, int(row.get("n_clean") or count))
  return Interval(value, low, high, count) if count >= metrics.FEWEST else None


def intervals(rows: Iterable[Row], field: str = TWO_SIDED, n: str = "n_adversarial") -> (
    list[Interval]):  # fmt: skip
  """Of all rows that have one."""
  each = (interval(row, field, n) for row in rows)
  return [one for one in each if one is not None]


def mean_interval(rows: Iterable[Row], field: str = TWO_SIDED, n: str = "n_adversarial") -> (
    Interval | None):  # fmt: skip
  """Mean of a field, between the means of its ends: as wide as if the rows erred together."""
  each = intervals(rows, field, n)
  if not each:
    return None
  value, low, high = (float(np.mean([one[i] for one in each])) for i in range(3))
  return Interval(value, low, high, min(one.n for one in each))


def success(rows: Sequence[Row]) -> Interval:
  """Adv. Acc of an attack's rows, of the images attacked; those that succeeded are in the row."""
  row = rows[0]
  value, hits = float(row["adv_acc"]), int(row.get("n_adversarial") or 0)
  n = round(hits / value) if value else int(row.get("n_clean") or 0)
  low, high = row.get("adv_acc_low"), row.get("adv_acc_high")
  if low is None or high is None:
    low, high = metrics.wilson(min(hits, n), n) or (0.0, 1.0)
  return Interval(value, low, high, n)


def by(rows: Iterable[Row], field: str) -> dict[Any, list[Row]]:
  """Rows by the values of a field."""
  groups: dict[Any, list[Row]] = {}
  for row in rows:
    groups.setdefault(row.get(field), []).append(row)
  return groups


def successful(rows: Iterable[Row]) -> Iterator[Row]:
  """The rows of all adversarials that reach their target."""
  return (row for row in rows if row.get("population", "successful") == "successful")


def one_form(rows: Iterable[Row]) -> tuple[str | None, list[Row]]:
  """The rows of HFC in the one form that `ONE_FORM` names, and its name; None without HFC."""
  forms = by(rows, "weight_rule")
  forms.pop(None, None)
  ranked = [form for form in FORMS if form in forms] + [f for f in forms if f not in FORMS]
  return (ranked[0], forms[ranked[0]]) if ranked else (None, [])


def unless_weak(
  plain: Sequence[Row], holds: bool | None, numbers: str
) -> tuple[bool | str | None, str]:
  """The decision, but where the attack without HFC reaches fewer images than the papers' do."""
  if plain and (reached := success(plain)).below(0.9):
    why = f"without HFC the attack reaches {reached}; the papers' reach 91 to 99 %"
    return ELSEWHERE, f"{numbers} ({why})"
  return holds, numbers


def pairs(results: Results, **fields: Any) -> list[Row]:
  """The paired differences with these fields, see `results.rows.PairRow`."""
  rows = results.get("pairs") or ()
  return [row for row in rows if all(row.get(name) == value for name, value in fields.items())]


def difference(row: Row) -> Interval:
  """Of a pair: mean two-sided AUC of the first less that of the second."""
  n = min(row["n_first"], row["n_second"])
  return Interval(row["difference"], row["low"], row["high"], n)


def points(of: Interval) -> str:
  """A difference in points: "-5.2 points [-8 to -2]"."""
  low, high = (percent(end, 0) for end in (of.low, of.high))
  return f"{percent(of.value)} points [{low} to {high}], n = {of.n}"


def comparable(results: Results) -> Judged:
  """Why medical and natural images are no fair comparison, if they are none."""
  data, classifier = results.get("data") or {}, results.get("classifier") or {}
  if "natural" not in data:
    return
  fields: dict[str, tuple[Any, Any]] = {
    "image size": (data.get("image_size"), data["natural"].get("image_size")),
    "classes": (len(data.get("class_names") or ()), len(data["natural"].get("class_names") or ())),
    "architecture": (_model(classifier), _model(classifier["natural"])),
    "start": (classifier.get("start"), classifier["natural"].get("start")),
  }
  train = data.get("train") or 0, data["natural"].get("train") or 0
  differs = [f"{name} ({one or 'random'} and {other or 'random'})"
             for name, (one, other) in fields.items() if one != other]  # fmt: skip
  if max(train) > 1.1 * min(train):
    differs.append(f"training images ({train[0]} and {train[1]})")
  if differs:
    yield f"not comparable: differs in {', '.join(differs)}", ""


def _model(classifier: Results) -> str:
  return model_label(classifier.get("name") or "")


def one_training(results: Results) -> bool:
  """Whether there are fewer than three trainings a side."""
  return int(results.get("trainings") or 1) < FEWEST_TRAININGS


def over_budget(results: Results, hides: bool) -> Judged:
  """Whether detection rises from the smallest budget to the largest; with HFC, falls."""
  for row in pairs(results, what="budget", hfc=hides):
    change = difference(row)
    yield change.below(0.0) if hides else change.above(0.0), (
      f"on {row['model']}, {number(row['second_eps_256'], 3)}/256 to "
      f"{number(row['first_eps_256'], 3)}/256: {points(change)}"
    )
