"""The score of a detector."""

from __future__ import annotations

from typing import Any

from hfc_tf.attacks.objectives.base import Batch, Objective
from hfc_tf.detectors.base import Detector
from hfc_tf.errors import InputError

Tensor = Any


class DetectorScore(Objective):
  """J = d(x), the score of a detector, which is higher for adversarial images.

  Args:
    detector: fitted, with a score that is a function of features and logits.
    weight: of J.

  Raises:
    InputError: for a detector that is not fitted, reads images or has no useful gradient.
  """

  def __init__(self, detector: Detector, weight: float = 1.0) -> None:
    if not hasattr(detector, "threshold_"):
      raise InputError("a fitted detector", f"{detector.key} before fit", "call fit or load first")
    if detector.reads == "images" or not detector.differentiable:
      raise InputError(
        "a detector with a gradient of features and logits", detector.key, "attack another one"
      )
    self.name = f"detector_{detector.key}"
    self.detector = detector
    self.weight = weight

  @property
  def reads(self) -> dict[str, int | None]:
    """The detector's layers."""
    return dict.fromkeys(self.detector.layers_)

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J, [B]."""
    return self.detector.score_tensor(
      {name: features[name] for name in self.detector.layers_}, logits
    )
