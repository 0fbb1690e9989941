"""Attacks in the L-infinity ball: each is an objective, an update and a start of the one loop."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from hfc_tf.attacks.budget import schedule
from hfc_tf.attacks.loop import GradientAttack
from hfc_tf.attacks.objectives import Change, DetectorScore, Margin, Objective, classification
from hfc_tf.attacks.updates import (
  AutoStep,
  InputDiversity,
  Momentum,
  Orthogonal,
  Selective,
  TranslationInvariant,
)
from hfc_tf.detectors.base import Detector
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel


class FGSM(GradientAttack):
  """x - eps sign(grad_x J(x)), one step whatever schedule is given   (Goodfellow et al., 2015)."""

  def _schedule(self, eps: float, step_size: float | None, steps: int | None) -> tuple[float, int]:
    return eps, 1


class BIM(GradientAttack):
  """x_{t+1} = Pi_eps(x_t - alpha sign(grad_x J)), x_0 = x   (Kurakin et al., 2017; TMI Eq. 3)."""


class PGD(GradientAttack):
  """BIM from x_0 = x + U(-eps, eps)   (Madry et al., 2018)."""

  random_start = True


class MIM(GradientAttack):
  """BIM along the accumulated, L1-normalised gradient, see `Momentum`  (Dong et al., CVPR 2018)."""

  _update = Momentum


class TIM(GradientAttack):
  """BIM along the gradient smoothed over space   (Dong et al., CVPR 2019).

  See `TranslationInvariant`; a `kernel` of 15 in the paper, by default 7 where images are small.
  """

  _update = TranslationInvariant


class DI(GradientAttack):
  """BIM on images resized and padded at random   (Xie et al., CVPR 2019); see `InputDiversity`."""

  _update = InputDiversity


class CW(PGD):
  """PGD on the margin between logits   (Carlini and Wagner, 2017; Madry et al., 2018; TMI Eq. 4).

  Args:
    objective: None for `Margin(kappa)`.
    kappa: the lead of the target class that is enough; `mean_gap` of Train's logits in the papers.

  Raises:
    InputError: with neither of them.
  """

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


class APGD(PGD):
  """PGD whose step begins at 2 eps and halves itself   (Croce and Hein, 2020, Algorithm 1).

  On cross-entropy, untargeted on the log-odds, which are as good at the same points; `APGD(model,
  Margin())` for a margin (their DLR loss wants three classes). It takes HFC and other terms as they
  are: progress is judged by `Objective.value`, which stays comparable where J_HFC's component
  changes. `step_size` counts only for the number of steps.

  Args:
    naive: judge progress by the plain sum of the terms, as where HFC is added to the cross-entropy
      and nothing else is done. J_HFC jumps upwards where its component changes, a gain then counts
      as none, and the step is halved too early: the limitation that TMI section V-I names.
  """

  _update = AutoStep
  naive = False

  def __init__(
    self,
    model: TappedModel,
    objective: Objective | None = None,
    *,
    naive: bool = False,
    **settings: Any,
  ) -> None:
    if naive:
      self.naive = naive
    super().__init__(model, objective, **settings)

  def _values(
    self, terms: list[Any], states: list[Any], features: Any, weights: Any
  ) -> Any:
    if self.naive:
      return tf.stack(terms) * weights[:, None]
    return super()._values(terms, states, features, weights)

  def _schedule(self, eps: float, step_size: float | None, steps: int | None) -> tuple[float, int]:
    return 2 * eps, schedule(eps, step_size, steps, self.model.bounds)[1]


class Least(BIM):
  """The smallest change that reaches the target: `BIM.balanced` on `Change`, without HFC.

  Args:
    model, settings: see `GradientAttack`.
    kappa, levels: see `GradientAttack.balanced`.
  """

  def __init__(
    self, model: TappedModel, *, kappa: float = 1.0, levels: int | None = None, **settings: Any
  ) -> None:
    super().__init__(model, **settings)
    self._balance(Change(), kappa, levels, squeezing=False)


def SelectivePGD(
  model: TappedModel, detector: Detector, *, targeted: bool = True, **settings: Any
) -> PGD:
  """PGD on the classifier until it is fooled, then on the detector   (Bryniarski et al., 2021).

  The detector is fitted and has a gradient; for settings see `GradientAttack`.
  """
  terms = classification(targeted) + DetectorScore(detector, model=model)
  return PGD(model, terms, targeted=targeted, **{"update": Selective(), **settings})


def OrthogonalPGD(model: TappedModel, detector: Detector, **settings: Any) -> PGD:
  """`SelectivePGD`, each gradient freed from the other's direction   (Bryniarski et al., 2021)."""
  return SelectivePGD(model, detector, update=Orthogonal(), **settings)
