"""The budget of an attack, and the steps in which it is spent; no TensorFlow, for flags."""

from __future__ import annotations

import math
import operator
from typing import Any

from absl import logging

from hfc_tf.errors import InputError

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
  eps = _radius(eps, bounds)
  if steps is not None:
    steps = whole("steps", steps, "pass steps=20")
  if step_size is not None:
    remedy = "leave it out for the papers' 0.02/256 of the range"
    step_size = number(f"step_size {_unit(bounds)}", step_size, remedy, above=0)
  else:
    step_size = PAPER_STEP * span if steps is None else 2 * eps / steps
  return step_size, steps or max(1, math.ceil(2 * eps / step_size - 1e-9))


def warn_of_reach(eps: float, step_size: float, steps: int, bounds: tuple[float, float]) -> None:
  """Says when steps are too few or too small to use up the budget; units as in `schedule`."""
  if steps * step_size < eps * (1 - 1e-6):
    unit = 256 / (bounds[1] - bounds[0])
    logging.warning(
      "%d steps of %.3g/256 of the range cannot reach eps = %.3g/256",
      steps, unit * step_size, unit * eps,
    )  # fmt: skip


def budget(value: Any, bounds: tuple[float, float]) -> float:
  """An L-infinity radius in units of the bounds, checked; None for 1/256 of the range."""
  span = float(bounds[1] - bounds[0])
  if value is None:
    return span / 256
  eps, unit = _radius(value, bounds), _unit(bounds)
  if eps / span > _TENTH:
    logging.warning(
      "eps = %g %s is %.3g times the range (%.4g/256 of it); if %g/256 of the range is meant, pass "
      "eps=%.4g", eps, unit, eps / span, 256 * eps / span, eps, eps * span / 256,
    )  # fmt: skip
  elif 0 < eps < 1 < span and eps / span < _TINY:
    logging.warning(
      "eps = %g %s is only %.3g/256 of the range; if %g of the range is meant, pass eps=%.4g",
      eps, unit, 256 * eps / span, eps, eps * span,
    )  # fmt: skip
  return eps


def _unit(bounds: tuple[float, float]) -> str:
  return f"in units of images in [{bounds[0]:g}, {bounds[1]:g}]"


def _radius(value: Any, bounds: tuple[float, float]) -> float:
  remedy = f"pass e.g. eps={(bounds[1] - bounds[0]) / 256:.3g}"
  return number(f"eps {_unit(bounds)}", value, remedy, least=0)


def number(
  name: str, value: Any, remedy: str, *, above: float = -math.inf, least: float = -math.inf
) -> float:
  """A finite number, if asked for above or at least another; all else is an InputError."""
  try:
    result = math.nan if isinstance(value, bool | str) else float(value)
  except (TypeError, ValueError):
    result = math.nan
  if not (math.isfinite(result) and result > above and result >= least):
    limit = f" above {above:g}" if math.isfinite(above) else ""
    limit += f" of {least:g} or more" if math.isfinite(least) else ""
    raise InputError(f"{name} as a finite number{limit}", repr(value), remedy)
  return result


def whole(name: str, value: Any, remedy: str, *, least: int = 1) -> int:
  """An integer of at least `least`; all else is an InputError."""
  try:
    result = least - 1 if isinstance(value, bool) else operator.index(value)
  except TypeError:
    result = least - 1
  if result < least:
    raise InputError(f"{name} as an integer of {least} or more", repr(value), remedy)
  return result


def checked_seed(value: Any) -> int:
  """A seed from 0 to 2^31 - 1, as TensorFlow's stateless draws take it."""
  seed = whole("a seed", value, "pass seed=0", least=0)
  if seed > 2**31 - 1:
    raise InputError(f"a seed from 0 to {2**31 - 1}", repr(value), "pass seed=0")
  return seed
