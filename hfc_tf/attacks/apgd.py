"""Auto-PGD."""

from __future__ import annotations

from typing import Any

from hfc_tf.attacks.budget import schedule
from hfc_tf.attacks.loop import GradientAttack
from hfc_tf.attacks.objectives import Objective
from hfc_tf.attacks.updates import AutoStep
from hfc_tf.taps import TappedModel


class APGD(GradientAttack):
  """PGD whose step begins at 2 eps and halves itself   (Croce and Hein, 2020, Algorithm 1).

  On cross-entropy, untargeted on the log-odds, which are as good at the same points; `APGD(model,
  Margin())` for a margin (their DLR loss wants three classes). It
  takes HFC and other terms as they are: progress is judged by `Objective.value`, which stays
  comparable where J_HFC's component changes.

  Args:
    model, objective: see `GradientAttack`.
    settings: too; `step_size` counts only for the number of steps.
  """

  random_start = True

  def __init__(
    self, model: TappedModel, objective: Objective | None = None, **settings: Any
  ) -> None:
    super().__init__(model, objective, update=AutoStep(), **settings)

  def _plan(self, eps: float, step_size: float | None, steps: int | None) -> tuple[float, int]:
    return 2 * eps, schedule(eps, step_size, steps, self._bounds)[1]
