"""The budget of an attack, and the steps in which it is spent; no TensorFlow, for flags."""

from __future__ import annotations

import math
from typing import Any

from absl import logging

from hfc_tf.attacks.numeric import number, whole

PAPER_STEP = 0.02 / 256  # alpha of both papers, as a part of the images' range
_TENTH, _TINY = 0.1, 1 / 4096  # of the range; budgets beyond are likely in other units


def schedule(
  eps: float,
  step_size: float | None = None,
  steps: int | None = None,
  bounds: tuple[float, float] = (0.0, 1.0),
) -> tuple[float, int]:
  """Step size and number of steps: the papers' alpha = 0.02/256 and T = 2 eps / alpha.

  `steps` alone sets the step size to 2 eps / steps.

  Args:
    eps, step_size: in units of `bounds`.
    steps: iterations.
    bounds: (low, high) of the images.

  Raises:
    InputError: for a negative eps, step size or number of steps.
  """
  span = bounds[1] - bounds[0]
  unit = f"in units of images in [{bounds[0]:g}, {bounds[1]:g}]"
  eps = number(f"eps {unit}", eps, f"pass e.g. eps={span / 256:.3g}", least=0)
  if steps is not None:
    steps = whole("steps", steps, "pass steps=20")
  if step_size is not None:
    remedy = "leave it out for the papers' 0.02/256 of the range"
    step_size = number(f"step_size {unit}", step_size, remedy, above=0)
  if step_size is None:
    step_size = PAPER_STEP * span if steps is None else 2 * eps / steps
  if steps is None:
    steps = max(1, math.ceil(2 * eps / step_size - 1e-9))
  return step_size, steps


def warn_of_reach(
  eps: float, step_size: float, steps: int, bounds: tuple[float, float] = (0.0, 1.0)
) -> None:
  """Says when steps are too few or too small to use up the budget; units as in `schedule`."""
  if steps * step_size < eps * (1 - 1e-6):
    unit = 256 / (bounds[1] - bounds[0])
    logging.warning(
      "%d steps of %.3g/256 of the range cannot reach eps = %.3g/256",
      steps, unit * step_size, unit * eps,
    )  # fmt: skip


def budget(value: Any, bounds: tuple[float, float]) -> float:
  """An L-infinity radius in units of the bounds; None for 1/256 of the range.

  Raises:
    InputError: for a negative or infinite one.
  """
  low, high = bounds
  if value is None:
    return float(high - low) / 256
  unit = f"in units of images in [{low:g}, {high:g}]"
  eps = number(f"eps {unit}", value, f"pass e.g. eps={(high - low) / 256:.3g}", least=0)
  part = eps / (high - low)
  if part > _TENTH:
    logging.warning(
      "eps = %g %s is %.3g times the range (%.4g/256 of it); if %g/256 of the range is meant, pass "
      "eps=%.4g", eps, unit, part, 256 * part, eps, eps * (high - low) / 256,
    )  # fmt: skip
  elif 0 < eps < 1 < high - low and part < _TINY:
    logging.warning(
      "eps = %g %s is only %.3g/256 of the range; if %g of the range is meant, pass eps=%.4g",
      eps, unit, 256 * part, eps, eps * (high - low),
    )  # fmt: skip
  return eps
