"""Classifiers from given weights beside classifiers from scratch: do the two starts differ?

The rule, fixed before any results: in a figure the starts differ where its 95 % intervals over
trainings do not overlap. The interval is mean +- t(.975, n - 1) s / sqrt(n) of the n trainings
(Student), widened to the mean ends of the trainings' own intervals, so that trainings which agree
by chance do not make an empty one. A figure that a training lacks has no interval: undecided.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from hfc_tf.results import tables

STARTS = ("weights", "scratch")
_UNBOUNDED = ("smallest_eps_256", "stress_ratio")  # all else is at most 1
_KEY = ("measure", "eps_256", "made_on", "layer", "detector", "weight_rule")
_CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingRow:
  """One figure of one training, of the start "weights" or "scratch".

  `value` is a fraction, of "smallest_eps_256" a budget in 1/256; `low` and `high` are the ends of
  its own 95 % interval, where it has one. `made_on` says whose adversarials were shown, "itself",
  a "twin" of the same start or "across" of the other, trained with `made_seed`.
  """

  start: str
  seed: int
  measure: str
  value: float | None
  low: float | None = None
  high: float | None = None
  attack: str | None = None
  eps_256: float | None = None
  steps: int | None = None
  made_on: str | None = None
  made_seed: int | None = None
  layer: int | None = None
  layer_name: str | None = None
  direction: str | None = None
  detector: str | None = None
  weight_rule: str | None = None
  hfc_weight: float | None = None
  n: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spread:
  """One figure over the trainings of a start: mean, its interval, the least and the most."""

  mean: float | None
  low: float | None
  high: float | None
  least: float | None
  most: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class StartsRow:
  """One figure of both starts; `differ` by the rule above, None where undecided."""

  measure: str
  eps_256: float | None
  made_on: str | None
  layer: int | None
  detector: str | None
  weight_rule: str | None
  weights: Spread
  scratch: Spread
  differ: bool | None


def compare_starts(rows: Iterable[TrainingRow]) -> list[StartsRow]:
  """Both starts in every figure, in the order in which the figures come.

  What a training has several of, such as two directions of a layer or several twins, counts by its
  mean.
  """
  rows, compared = list(rows), []
  trainings = {start: len({row.seed for row in rows if row.start == start}) for start in STARTS}
  for key, group in tables.grouped(rows, *_KEY).items():
    weights, scratch = (
      _spread([row for row in group if row.start == start], trainings[start]) for start in STARTS
    )
    named = dict(zip(_KEY, key, strict=True))
    differ = _apart(weights, scratch)
    compared.append(StartsRow(**named, weights=weights, scratch=scratch, differ=differ))
  return compared


def student_interval(values: Any) -> tuple[float, float] | None:
  """mean +- t(.975, n - 1) s / sqrt(n)   (Student), of values [n]; None of fewer than two."""
  if len(values) < 2:
    return None
  reach = stats.t.ppf((1 + _CONFIDENCE) / 2, len(values) - 1) * stats.sem(values)
  return float(np.mean(values) - reach), float(np.mean(values) + reach)


def _spread(rows: Sequence[TrainingRow], trainings: int) -> Spread:
  """Over the seeds of one start's rows of one figure; no interval where a training has none."""
  by_seed = list(tables.grouped(rows, "seed").values())
  there = _by_training(by_seed, "value")
  if not there:
    return Spread(mean=None, low=None, high=None, least=None, most=None)
  mean, least, most = float(np.mean(there)), min(there), max(there)
  ends = student_interval(there) if len(there) == trainings else None
  if ends is None:
    return Spread(mean=mean, low=None, high=None, least=least, most=most)
  lows, highs = _by_training(by_seed, "low"), _by_training(by_seed, "high")
  low, high = max(ends[0], 0.0), ends[1]
  if lows and highs:
    low, high = min(low, float(np.mean(lows))), max(high, float(np.mean(highs)))
  high = high if rows[0].measure in _UNBOUNDED else min(high, 1.0)
  return Spread(mean=mean, low=low, high=high, least=least, most=most)


def _by_training(by_seed: Iterable[Sequence[TrainingRow]], field: str) -> list[float]:
  """The mean of a field in each training that has it."""
  each = (tables.mean(getattr(row, field) for row in group) for group in by_seed)
  return [value for value in each if value is not None]


def _apart(a: Spread, b: Spread) -> bool | None:
  if a.low is None or a.high is None or b.low is None or b.high is None:
    return None
  return a.low > b.high or b.low > a.high
