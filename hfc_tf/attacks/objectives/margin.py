"""The margin between logits, which Carlini and Wagner minimise."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.attacks.objectives.base import Batch, Objective
from hfc_tf.errors import InputError

Tensor = Any


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
    own = tf.one_hot(batch.targets, logits.shape[1], on_value=True, off_value=False)  # [B, K]
    lowest = logits.dtype.min
    rest = tf.reduce_max(tf.where(own, lowest, logits), 1)  # [B]
    lead = tf.reduce_max(tf.where(own, logits, lowest), 1) - rest
    margin = -lead if self.targeted else lead
    return margin if self.kappa is None else tf.maximum(margin, -self.kappa)


def mean_gap(logits: Any) -> float:
  """The mean gap between the two largest logits [N, K], kappa of the papers (TMI, footnote 4).

  Take logits of Train.
  """
  ordered = np.sort(np.asarray(logits, np.float64), axis=1)
  return float(np.mean(ordered[:, -1] - ordered[:, -2]))
