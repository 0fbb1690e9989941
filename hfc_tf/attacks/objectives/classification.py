"""What makes a classifier err: the cross-entropy, the log-odds, the margin between logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.attacks.objectives.base import Batch, Objective, Tensor
from hfc_tf.detectors.squeezing import median, reduce_depth
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel


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
    lead = self._lead(batch, logits)
    margin = -lead if self.targeted else lead
    return margin if self.kappa is None else tf.maximum(margin, -self.kappa)

  def _lead(self, batch: Batch, logits: Tensor) -> Tensor:
    """l_c - max_{k != c} l_k, [B]."""
    of_class, lowest = _one_hot(batch, logits), logits.dtype.min
    rest = tf.reduce_max(tf.where(of_class, lowest, logits), 1)  # [B]
    return tf.reduce_max(tf.where(of_class, logits, lowest), 1) - rest


class SqueezedMargin(Margin):
  """`Margin` of the least lead among the image and its squeezed copies, which must agree with it.

  Feature squeezing (Xu et al., NDSS 2018) compares the prediction on an image with those on copies
  of fewer bits or of median-filtered pixels; so the attack that knows of it asks for its class
  there too. Each copy costs one more pass of the network a step.

  Args:
    model: the attacked classifier.
    kappa: see `Margin`.
    bit_depths: bits of the copies. medians: widths in pixels of the copies' filters.
  """

  def __init__(
    self,
    model: TappedModel,
    kappa: float,
    bit_depths: Sequence[int] = (4,),
    medians: Sequence[int] = (2, 3),
  ) -> None:
    super().__init__(kappa)
    self._model = model
    self.bit_depths, self.medians = tuple(bit_depths), tuple(medians)

  def _lead(self, batch: Batch, logits: Tensor) -> Tensor:
    images = batch.images if batch.shown is None else batch.shown
    copies = [reduce_depth(images, depth) for depth in self.bit_depths]
    copies += [median(images, size) for size in self.medians]
    logits_of = [logits, *(self._model(copy)[0] for copy in copies)]
    return tf.reduce_min([super(SqueezedMargin, self)._lead(batch, each) for each in logits_of], 0)


class Change(Objective):
  """J = mean (256 (x - x_0))^2, how much the image is changed, in 1/256 of its range."""

  name = "change"

  def term(self, state: Any, batch: Batch, logits: Tensor, features: dict[str, Tensor]) -> Tensor:
    """J, [B]."""
    change = 256.0 * (batch.shown - batch.images)
    return tf.reduce_mean(change**2, list(range(1, len(change.shape))))


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
