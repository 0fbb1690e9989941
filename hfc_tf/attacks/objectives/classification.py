"""What makes a classifier err: the cross-entropy, the log-odds, the margin between logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.attacks.objectives.base import Batch, Objective, Tensor
from hfc_tf.errors import InputError


class CrossEntropy(Objective):
  """J = -ln p(c | x), the cross-entropy with the target class c   (TMI Eq. 5).

  Not `targeted`, the sign is turned: the loss of the class that the attack must leave.
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
    others = tf.where(_one_hot(batch, logits), logits.dtype.min, logits)  # [B, K]
    return tf.gather(logits, batch.targets, batch_dims=1) - tf.reduce_logsumexp(others, 1)


class Margin(Objective):
  """J = max(max_{k != c} l_k - l_c, -kappa)   (MICCAI Eq. 3, TMI Eq. 4, of the other sign).

  As printed, l_c comes first; minimised, that leads away from the target class c.

  Args:
    kappa: from this lead of l_c on nothing is gained; None for no such end. The papers take the
      mean gap of the two largest logits, see `mean_gap`.
    targeted: False turns the margin around: the lead of the class that the attack must leave.

  Raises:
    InputError: for a negative kappa.
  """

  name = "margin"

  def __init__(self, kappa: float | None = None, targeted: bool = True) -> None:
    if kappa is not None and not kappa >= 0:
      raise InputError("kappa >= 0", str(kappa), "pass kappa=mean_gap(logits of Train)")
    self.kappa = kappa
    self.targeted = targeted

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J, [B]."""
    of_class, lowest = _one_hot(batch, logits), logits.dtype.min
    rest = tf.reduce_max(tf.where(of_class, lowest, logits), 1)  # [B]
    lead = tf.reduce_max(tf.where(of_class, logits, lowest), 1) - rest
    margin = -lead if self.targeted else lead
    return margin if self.kappa is None else tf.maximum(margin, -self.kappa)


def _one_hot(batch: Batch, logits: Tensor) -> Tensor:
  """Which logit is the class's, bool [B, K]."""
  return tf.one_hot(batch.targets, logits.shape[1], on_value=True, off_value=False)


def classification(targeted: bool) -> Objective:
  """What attacks minimise unless told otherwise: the cross-entropy, untargeted the log-odds."""
  return CrossEntropy() if targeted else LogOdds()


def mean_gap(logits: Any) -> float:
  """The mean gap between the two largest logits [N, K] of Train: kappa of the papers (TMI)."""
  ordered = np.sort(np.asarray(logits, np.float64), axis=1)
  return float(np.mean(ordered[:, -1] - ordered[:, -2]))
