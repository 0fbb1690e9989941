"""What is read off features: the stress test of a layer, the score of a detector."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from hfc_tf.attacks.objectives.base import Batch, Objective
from hfc_tf.detectors.base import Detector
from hfc_tf.errors import InputError

Tensor = Any


class FeatureMean(Objective):
  """J = mean(f^l) to push a layer's features down, -mean(f^l) to push them up.

  (MICCAI section 3 and Table 1, TMI section III-C and Fig. 4.)

  Args:
    layer: name of the layer l.
    sign: 1 to decrease the features, -1 to increase them.

  Raises:
    InputError: for another sign.
  """

  def __init__(self, layer: str, sign: int = 1) -> None:
    if sign not in (1, -1):
      raise InputError("sign 1 (down) or -1 (up)", str(sign), "pass one of them")
    self.name = f"mean of {layer}"
    self.layer = layer
    self.sign = sign
    self._reads = {layer: None}

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J, [B]."""
    return self.sign * tf.reduce_mean(features[self.layer], 1)


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
    self._reads = dict.fromkeys(detector.layers_)

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J, [B]."""
    return self.detector.score_tensor({name: features[name] for name in self._reads}, logits)
