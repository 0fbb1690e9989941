"""The translation-invariant method."""

from __future__ import annotations

from typing import Any

from hfc_tf.attacks.loop import GradientAttack
from hfc_tf.attacks.objectives import Objective
from hfc_tf.attacks.updates import TranslationInvariant
from hfc_tf.taps import TappedModel


class TIM(GradientAttack):
  """BIM along the gradient smoothed by a Gaussian kernel   (Dong et al., CVPR 2019).

  Args:
    model, objective, settings: see `GradientAttack`.
    kernel: its size along each spatial axis; 15 in the paper, 7 where images are small.
  """

  def __init__(
    self,
    model: TappedModel,
    objective: Objective | None = None,
    *,
    kernel: int = 15,
    **settings: Any,
  ) -> None:
    super().__init__(model, objective, update=TranslationInvariant(kernel), **settings)
