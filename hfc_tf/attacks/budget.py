"""The budget of an attack, and the steps in which it is spent; no TensorFlow, for flags."""

from __future__ import annotations

import math

from absl import logging

from hfc_tf.errors import InputError

PAPER_STEP = 0.02 / 256  # alpha of both papers, in image units


def schedule(
  eps: float, step_size: float | None = None, steps: int | None = None
) -> tuple[float, int]:
  """Step size and number of steps: the papers' alpha = 0.02/256 and T = 2 eps / alpha.

  `steps` alone sets the step size to 2 eps / steps. A path that cannot reach eps warns.

  Raises:
    InputError: for a negative eps, step size or number of steps.
  """
  if not (eps >= 0 and math.isfinite(eps)):
    raise InputError("eps >= 0", f"{eps}", "give the budget in image units, e.g. 1/256")
  if steps is not None and steps < 1:
    raise InputError("at least one step", f"{steps}", "pass steps=20")
  if step_size is not None and not step_size > 0:
    raise InputError("a step size > 0", f"{step_size}", "leave it out for the papers' 0.02/256")
  if step_size is None:
    step_size = PAPER_STEP if steps is None else 2 * eps / steps
  if steps is None:
    steps = max(1, math.ceil(2 * eps / step_size - 1e-9))
  if steps * step_size < eps * (1 - 1e-6):
    logging.warning(
      "%d steps of %.3g/256 cannot reach eps = %.3g/256", steps, step_size * 256, eps * 256
    )
  return step_size, steps
