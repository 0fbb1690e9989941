"""Classifiers from given weights beside classifiers from scratch: do the two starts differ?

The rule, fixed before any results: in a figure the starts differ where its 95 % intervals over
trainings do not overlap. The interval is mean +- t(.975, n - 1) s / sqrt(n) of the n trainings
(Student), widened to the mean ends of the trainings' own intervals, so that trainings which agree
by chance do not make an empty one. A figure that a training lacks has no interval: undecided.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

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
  compared = []
  for key, group in tables.grouped(rows, *_KEY).items():
    weights, scratch = (_spread([r for r in group if r.start == start]) for start in STARTS)
    compared.append(StartsRow(
      **dict(zip(_KEY, key, strict=True)), weights=weights, scratch=scratch,
      differ=_apart(weights, scratch),
    ))  # fmt: skip
  return compared


def student_interval(values: Sequence[float]) -> tuple[float, float] | None:
  """mean +- t(.975, n - 1) s / sqrt(n)   (Student); None of fewer than two values."""
  if len(values) < 2:
    return None
  reach = stats.t.ppf((1 + _CONFIDENCE) / 2, len(values) - 1) * stats.sem(values)
  return float(np.mean(values) - reach), float(np.mean(values) + reach)


def _spread(rows: Sequence[TrainingRow]) -> Spread:
  """Over the seeds of one start's rows of one figure."""
  by_seed = tables.grouped(rows, "seed").values()
  each = [tables.mean(row.value for row in group) for group in by_seed]
  there = [value for value in each if value is not None]
  if not there:
    return Spread(mean=None, low=None, high=None, least=None, most=None)
  ends = student_interval(there) if len(there) == len(each) else None
  low, high = ends or (None, None)
  if low is not None and high is not None:
    low = min(low, *_means(by_seed, "low"))
    high = max(high, *_means(by_seed, "high"))
    low, high = max(low, 0.0), high if rows[0].measure in _UNBOUNDED else min(high, 1.0)
  return Spread(mean=float(np.mean(there)), low=low, high=high, least=min(there), most=max(there))


def _means(by_seed: Iterable[Sequence[TrainingRow]], end: str) -> list[float]:
  """The mean over seeds of one end of their own intervals, or nothing where one has none."""
  each = [tables.mean(getattr(row, end) for row in group) for group in by_seed]
  there = [value for value in each if value is not None]
  return [float(np.mean(there))] if len(there) == len(each) else []


def _apart(a: Spread, b: Spread) -> bool | None:
  if a.low is None or a.high is None or b.low is None or b.high is None:
    return None
  return a.low > b.high or b.low > a.high
