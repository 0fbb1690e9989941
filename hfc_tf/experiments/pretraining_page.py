"""Two starts of training as sentences, tables and charts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hfc_tf.experiments.common import fixed
from hfc_tf.results import tables
from hfc_tf.results.figures import PALETTE, Line, LineChart
from hfc_tf.results.labels import (
  attack_label,
  budget,
  detector_label,
  hfc_label,
  model_label,
  number,
  percent,
)
from hfc_tf.results.result import Table
from hfc_tf.results.starts import STARTS, Spread, StartsRow, TrainingRow
from hfc_tf.study.config import Config

_COLORS = {"weights": PALETTE[1], "scratch": PALETTE[0]}
_FIGURES = {
  "accuracy": "Accuracy on Test", "auc": "AUC on Test", "adv_acc": "Adv. Acc, {}",
  "adv_acc_8bit": "Adv. Acc rounded to 8 bits, {}",
  "smallest_eps_256": "smallest ε (1/256) with Adv. Acc of 95 %",
}  # fmt: skip
_MADE_ON = {"itself": "the victim itself", "twin": "a twin of the same start",
            "across": "one of the other start"}  # fmt: skip
_AREAS = {"auc_within_class": "AUC within class", "auc_within_class_two_sided": "two-sided"}
_NOTES = (
  "The rule was fixed before any results: starts differ where the 95 % intervals over trainings do "
  "not overlap. The interval is Student's over the trainings, widened to the mean of their own "
  "intervals (Wilson’s, of areas on as many images as the smaller side has; the bisection’s factor "
  "of 1.19 of the smallest ε). A figure that one training lacks is undecided.",
  "Images, split, architecture, schedule and attack are the same on both sides; what the starts "
  "differ in is no property of medical images. "
  "Images made on another training come from one with another seed, of the same start or of the "
  "other; detectors learn anew on each classifier from the attack without HFC.",
)


def shown(
  rows: Sequence[TrainingRow], compared: Sequence[StartsRow], config: Config, right: int, test: int
) -> dict[str, Any]:
  """What the page shows, as fields of `Section`.

  Args:
    rows: of the trainings. compared: of both starts.
    config: of the first training. right: how many of `test` images all classifiers get right.
  """
  start, attack = os.path.basename(str(config.start)), attack_label(config.attacks[0])
  start = "ImageNet" if start == "imagenet" else start.split(".")[0]
  labels = {"weights": f"from {start}", "scratch": "from scratch"}
  trainings = len({row.seed for row in rows})
  alike = f"all classifiers get {right} of {test} Test images right; the attacked are of these"
  return {
    "title": f"{model_label(str(config.model))} {labels['weights']} and from scratch",
    "lead": list(_lead(compared, labels, attack, float(config.eps_256 or 0), trainings)),
    "tables": list(_tables(compared, labels, attack, alike)),
    "figures": [_success_chart(rows, compared, labels, attack),
                _transfer_chart(compared, labels, attack)],
    "notes": [*_NOTES, fixed(config)],
  }  # fmt: skip


def _lead(
  compared: Sequence[StartsRow],
  labels: Mapping[str, str],
  attack: str,
  eps_256: float,
  trainings: int,
) -> Iterator[str]:
  """Success, transfer and detectors, a sentence each."""
  of = {key[0]: group for key, group in tables.grouped(compared, "measure").items()}

  def both(row: StartsRow) -> str:
    sides = (f"{labels[start]} {_spread(getattr(row, start), row.measure)}" for start in STARTS)
    return f"{', '.join(sides)} ({_verdict(row.differ)})"

  smallest = of["smallest_eps_256"][0]
  near = min(of["adv_acc"], key=lambda row: abs(float(row.eps_256 or 0) - eps_256))
  yield (
    f"{attack} at {budget(near.eps_256)} reaches its target, in percent of the images and with "
    f"95 % intervals over {trainings} trainings of each start: {both(near)}; "
    f"{_FIGURES[smallest.measure]}: {both(smallest)}."
  )
  twins = [row for row in of["transfer"] if row.made_on == "twin"]
  yield "Made on a twin of the same start and shown to the victim: " + "; ".join(
    f"{budget(row.eps_256)}, {both(row)}" for row in twins
  ) + "."  # fmt: skip
  areas = [row.differ for row in of.get("auc_within_class_two_sided", ())]
  yield (
    f"Of {len(areas)} two-sided AUCs of detectors, without and with HFC, {areas.count(True)} "
    f"differ by start and {areas.count(None)} are undecided."
  )
  if of["accuracy"][0].differ:
    yield f"The starts differ in accuracy on Test, too: {both(of['accuracy'][0])}."


def _tables(
  compared: Sequence[StartsRow], labels: Mapping[str, str], attack: str, alike: str
) -> Iterator[Table]:
  """Success, transfer, features and detectors."""

  def table(caption: str, first: Mapping[str, tables.Column], *measures: str) -> Table:
    columns: dict[str, Any] = dict(first)
    for start in STARTS:
      columns |= _columns(start, labels[start])
    columns["By the rule"] = lambda row: _verdict(row.differ)
    ends = "mean [95 % interval over trainings] and range, percent"
    rows = [row for row in compared if row.measure in measures]
    return tables.table(f"{caption}: {ends}.", rows, columns)

  eps: dict[str, tables.Column] = {"Budget": lambda row: budget(row.eps_256)}
  figure: dict[str, tables.Column] = {
    "Figure": lambda row: _FIGURES[row.measure].format(budget(row.eps_256))
  }
  yield table(f"Classifiers and success of {attack}; {alike}", figure, *_FIGURES)
  made_on: dict[str, tables.Column] = {"Made on": lambda row: _MADE_ON[row.made_on]}
  yield table(
    "Share that reaches the target; columns are the victims’ starts", made_on | eps, "transfer"
  )
  yield table(
    "Change of a layer’s mean, of itself (stress test, TMI Fig. 4)",
    {"Layer": lambda row: str(row.layer), **eps}, "stress_ratio",
  )  # fmt: skip
  yield table(
    f"Detectors against {attack}",
    {"Detector": lambda row: detector_label(row.detector), "HFC":
     lambda row: hfc_label(row.weight_rule), "Figure": lambda row: _AREAS[row.measure], **eps},
    *_AREAS,
  )  # fmt: skip


def _columns(start: str, label: str) -> dict[str, tables.Column]:
  """Mean with interval, and range, of one start."""

  def span(row: StartsRow) -> str:
    spread: Spread = getattr(row, start)
    ends = (_cell(end, row.measure) for end in (spread.least, spread.most))
    return "–".join(dict.fromkeys(ends))

  return {
    label: lambda row: _spread(getattr(row, start), row.measure),
    f"range {label}": span,
  }


def _verdict(differ: bool | None) -> str:
  """No difference shown is not the same as none."""
  return {True: "starts differ", False: "no difference shown", None: "undecided"}[differ]


def _spread(spread: Spread, measure: str) -> str:
  """Mean and interval: "97.0 [95.1–98.4]"."""
  mean, low, high = (_cell(v, measure) for v in (spread.mean, spread.low, spread.high))
  return mean if spread.low is None or spread.high is None else f"{mean} [{low}–{high}]"


def _cell(value: float | None, measure: str) -> str:
  """In percent, but for budgets."""
  if measure == "smallest_eps_256" and value is not None:
    return number(value, 2)
  return percent(value)


def _success_chart(
  rows: Sequence[TrainingRow], compared: Sequence[StartsRow], labels: Mapping[str, str], attack: str
) -> LineChart:
  """Adv. Acc over eps: a line a start with its intervals, dotted ones for its trainings."""
  means = [row for row in compared if row.measure == "adv_acc"]
  places = {row.eps_256: float(place) for place, row in enumerate(means)}
  lines = []
  for start in STARTS:
    lines.append(_line(means, start, list(places.values()), labels[start], "-"))
    each = (row for row in rows if row.measure == "adv_acc" and row.start == start)
    for group in tables.grouped(each, "seed").values():
      y = 100 * np.array([row.value for row in group], float)
      lines.append(Line("", [places[row.eps_256] for row in group], y, _COLORS[start], ":"))
  return LineChart(
    "success", f"Success of {attack} over the budget", lines=lines, x_label="ε (1/256)",
    x_ticks={place: number(float(eps or 0), 3) for eps, place in places.items()},
    y_label="Adv. Acc (%)", y_range=(-2, 102),
    caption="Solid: means, bars 95 % intervals over trainings; dotted: each training.",
  )  # fmt: skip


def _transfer_chart(
  compared: Sequence[StartsRow], labels: Mapping[str, str], attack: str
) -> LineChart:
  """The share that reaches the target, by whom the images were made on and the victim's start."""
  means = [row for row in compared if row.measure == "transfer" and row.made_on != "itself"]
  means.sort(key=lambda row: row.made_on == "across")
  makers = {"twin": "twin", "across": "other start"}
  places = np.arange(len(means), dtype=float)
  lines = [
    _line(means, start, places + shift, f"victim {labels[start]}", "")
    for start, shift in zip(STARTS, (-0.08, 0.08), strict=True)
  ]
  return LineChart(
    "transfer", f"{attack} made on another training", lines=lines, x_label="made on, budget",
    x_ticks={
      place: f"{makers[str(row.made_on)]}, {number(float(row.eps_256 or 0), 3)}/256"
      for place, row in zip(places.tolist(), means, strict=True)
    },
    y_label="reach the target on the victim (%)", y_range=(-2, 102),
    caption="Points are means, bars 95 % intervals over the victim’s trainings.",
  )  # fmt: skip


def _line(means: Sequence[StartsRow], start: str, x: Any, label: str, style: str) -> Line:
  spreads = [getattr(row, start) for row in means]
  y, low, high = (
    [np.nan if (value := getattr(spread, end)) is None else 100 * value for spread in spreads]
    for end in ("mean", "low", "high")
  )
  return Line(label, x, y, _COLORS[start], style, "o" if start == "weights" else "s", low, high)
