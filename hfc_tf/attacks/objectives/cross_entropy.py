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


class LogOdds(Objective):
  """J = ln p(y | x) - ln(1 - p(y | x)), the log-odds of the class y that the attack must leave.

      grad (-CE) = (1 - p) grad J

  so a step along its sign is the cross-entropy's, and points compare as they do there; but 1 - p
  is exactly 0 in float32 once the model is sure, and an attack on the cross-entropy then stands
  still (Carlini and Wagner, 2017, section IV; Croce and Hein, 2020, section 4). J is computed from
  logits, l_y - ln sum_{k != y} exp l_k, whose gradient does not vanish there: with two classes it
  is the margin.
  """

  name = "log_odds"

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J, [B]."""
    left = tf.one_hot(batch.targets, logits.shape[1], on_value=True, off_value=False)  # [B, K]
    others = tf.where(left, logits.dtype.min, logits)
    return tf.gather(logits, batch.targets, batch_dims=1) - tf.reduce_logsumexp(others, 1)


def classification(targeted: bool) -> Objective:
  """What attacks minimise unless told otherwise: the cross-entropy, untargeted the log-odds."""
  return CrossEntropy() if targeted else LogOdds()
