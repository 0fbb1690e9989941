"""Input diversity."""

from __future__ import annotations

from typing import Any

from hfc_tf.attacks.loop import GradientAttack
from hfc_tf.attacks.objectives import Objective
from hfc_tf.attacks.updates import InputDiversity
from hfc_tf.taps import TappedModel


class DI(GradientAttack):
  """BIM on images resized and padded at random   (Xie et al., CVPR 2019).

  Args:
    model, objective, settings: see `GradientAttack`.
    probability: of the change, for each sample and step.
  """

  def __init__(
    self,
    model: TappedModel,
    objective: Objective | None = None,
    *,
    probability: float = 0.5,
    **settings: Any,
  ) -> None:
    super().__init__(model, objective, update=InputDiversity(probability), **settings)
