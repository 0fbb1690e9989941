"""The classification loss of BIM and PGD."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from hfc_tf.attacks.objectives.base import Batch, Objective

Tensor = Any


class CrossEntropy(Objective):
  """J = -ln p(c | x), the cross-entropy with the target class c   (TMI Eq. 5).

  Args:
    targeted: False turns the sign: the loss of the class that the attack must leave.
  """

  name = "cross_entropy"

  def __init__(self, targeted: bool = True) -> None:
    self.targeted = targeted

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J, [B]."""
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(batch.targets, logits)
    return loss if self.targeted else -loss
