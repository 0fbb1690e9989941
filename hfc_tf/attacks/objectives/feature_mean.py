"""The stress test of a layer."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from hfc_tf.attacks.objectives.base import Batch, Objective
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

  @property
  def reads(self) -> dict[str, int | None]:
    """The one layer."""
    return {self.layer: None}

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J, [B]."""
    return self.sign * tf.reduce_mean(features[self.layer], 1)
