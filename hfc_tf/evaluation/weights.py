"""The largest weight on a term at which an attack still works."""

from __future__ import annotations

from collections.abc import Callable


def largest_weight(
  keeps: Callable[[float], bool],
  *,
  start: float = 1.0,
  most: float = 64.0,
  least: float = 1 / 64,
  precision: float = 2**0.5,
) -> float | None:
  """The largest weight found at which the attack still works, to a factor of `precision`.

  Doubles from `start` while it does, or halves until it does, then tries the
  geometric mean of the best weight and the first one that failed.

  Args:
    keeps: whether Adv. Acc stays high enough at a weight, measured on AdvTrain.
    start: the first weight tried. most, least: the range.
    precision: of the result, a factor above 1.

  Returns:
    The weight, or None where even `least` fails.
  """
  weight, best, failed = start, None, None
  while least <= weight <= most:
    if keeps(weight):
      best = weight
      if failed is not None:
        break
      weight *= 2
    else:
      failed = weight
      if best is not None:
        break
      weight /= 2
  if best is None or failed is None:
    return best
  while failed / best > precision * (1 + 1e-9):
    middle = (best * failed) ** 0.5
    if keeps(middle):
      best = middle
    else:
      failed = middle
  return best
