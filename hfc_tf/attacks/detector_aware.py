"""Attacks that know the detector."""

from __future__ import annotations

from typing import Any

from hfc_tf.attacks.objectives import DetectorScore, classification
from hfc_tf.attacks.pgd import PGD
from hfc_tf.attacks.updates import Orthogonal, Selective
from hfc_tf.detectors.base import Detector
from hfc_tf.taps import TappedModel


def SelectivePGD(
  model: TappedModel, detector: Detector, *, targeted: bool = True, **settings: Any
) -> PGD:
  """PGD on the classifier until it is fooled, then on the detector   (Bryniarski et al., 2021).

  Args:
    model: the attacked classifier.
    detector: fitted, with a gradient.
    targeted, settings: see `GradientAttack`.
  """
  terms = classification(targeted) + DetectorScore(detector)
  return PGD(model, terms, update=Selective(), targeted=targeted, **settings)


def OrthogonalPGD(
  model: TappedModel, detector: Detector, *, targeted: bool = True, **settings: Any
) -> PGD:
  """SelectivePGD, each gradient freed from the other's direction   (Bryniarski et al., 2021).

  Args:
    model: the attacked classifier.
    detector: fitted, with a gradient.
    targeted, settings: see `GradientAttack`.
  """
  terms = classification(targeted) + DetectorScore(detector)
  return PGD(model, terms, update=Orthogonal(), targeted=targeted, **settings)
