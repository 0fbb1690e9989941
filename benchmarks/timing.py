"""Timings taken in turns, and their medians."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

Samples = dict[str, dict[str, list[float]]]


@dataclasses.dataclass(frozen=True)
class Spread:
  """The median of several rounds, `value`, and their quartiles, `low` and `high`."""

  value: float
  low: float
  high: float

  @classmethod
  def of(cls, values: Sequence[float]) -> Spread:
    """Median and quartiles of one value a round."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return cls(float(middle), float(low), float(high))


def seconds_per_step(
  attack: Callable[[int], object], steps: int, clock: Callable[[], float] = time.perf_counter
) -> float:
  """What one more step costs: (t(1 + steps) - t(1)) / steps, t(n) the time of a call of n steps.

  What a call does once, whatever its number of steps (copies, a last evaluation), is no part of it.

  Args:
    attack: runs so many steps and returns once the result can be read.
    steps: at least 1.
    clock: seconds.
  """
  started = clock()
  attack(1)
  between = clock()
  attack(1 + steps)
  return (clock() - between - (between - started)) / steps


def interleaved(
  contenders: Mapping[str, Callable[[], Mapping[str, float]]],
  repeats: int,
  *,
  pause: float = 0.3,
  sleep: Callable[[float], None] = time.sleep,
) -> Samples:
  """Runs all contenders in every round, one at a time, and turns the order round by round.

  Args:
    contenders: name -> measures once, and returns what it found by name.
    repeats: rounds.
    pause: seconds before each, in which threads of the one before come to rest.
    sleep: waits so many seconds.

  Returns:
    samples[contender][name], one value a round.
  """
  samples: Samples = {name: {} for name in contenders}
  for number in range(repeats):
    names = list(contenders)
    for name in reversed(names) if number % 2 else names:
      sleep(pause)
      for key, value in contenders[name]().items():
        samples[name].setdefault(key, []).append(value)
  return samples
