"""The momentum iterative method."""

from __future__ import annotations

from typing import Any

from hfc_tf.attacks.loop import GradientAttack
from hfc_tf.attacks.objectives import Objective
from hfc_tf.attacks.updates import Momentum
from hfc_tf.taps import TappedModel


class MIM(GradientAttack):
  """BIM along the accumulated, L1-normalised gradient   (Dong et al., CVPR 2018).

  Args:
    model, objective, settings: see `GradientAttack`.
    decay: of past gradients.
  """

  def __init__(
    self,
    model: TappedModel,
    objective: Objective | None = None,
    *,
    decay: float = 1.0,
    **settings: Any,
  ) -> None:
    super().__init__(model, objective, update=Momentum(decay), **settings)
