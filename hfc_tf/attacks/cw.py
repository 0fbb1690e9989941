"""Carlini and Wagner's loss in the L-infinity ball."""

from __future__ import annotations

from typing import Any

from hfc_tf.attacks.loop import GradientAttack
from hfc_tf.attacks.objectives import Margin, Objective
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel


class CW(GradientAttack):
  """PGD on the margin between logits   (Carlini and Wagner, 2017; Madry et al., 2018; TMI Eq. 4).

  Args:
    model, settings: see `GradientAttack`.
    objective: None for `Margin(kappa)`.
    kappa: the lead of the target class that is enough; `mean_gap` of Train's logits in the papers.

  Raises:
    InputError: with neither of them.
  """

  random_start = True

  def __init__(
    self,
    model: TappedModel,
    objective: Objective | None = None,
    *,
    kappa: float | None = None,
    targeted: bool = True,
    **settings: Any,
  ) -> None:
    if objective is None:
      if kappa is None:
        raise InputError("kappa of CW", "none", "pass kappa=mean_gap(model.taps(train).logits)")
      objective = Margin(kappa, targeted)
    super().__init__(model, objective, targeted=targeted, **settings)
