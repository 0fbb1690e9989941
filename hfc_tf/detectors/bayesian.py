"""Bayesian uncertainty: how much dropout moves the logits (Feinman et al.)."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from hfc_tf.detectors.base import Detector, Features
from hfc_tf.detectors.learning import AdvTrain, Array, Tensor, learn_sign
from hfc_tf.errors import InputError
from hfc_tf.taps import Taps


@dataclasses.dataclass(eq=False, repr=False)
class BayesianUncertainty(Detector):
  """BU: variance over all logits of stochastic passes with dropout on the penultimate layer.

      BU(x) = 1/N sum_n l_n' l_n - (1/N sum_n l_n)' (1/N sum_n l_n)               (Eq. 21 of TMI)

  Feinman et al. (2017) found adversarials uncertain; strong attacks make them more certain than
  clean images. Which side is adversarial is therefore learnt on AdvTrain, as theirs is by a
  logistic regression. The masks are drawn once and shared by all images, so that all passes are
  one matrix product.

  Args:
    passes: N.
    rate: share of the penultimate features that is dropped; the rest is scaled by 1 / (1 - rate).
    seed: of the masks.
  """

  key = "bu"
  reads = "head"
  train_images = 1
  per_layer = False
  passes: int = 50
  rate: float = 0.3
  seed: int = 0

  def _learn(self, train: Taps, data: AdvTrain) -> Array:
    if train.head is None:
      raise InputError(
        "a model that ends in a dense layer", "another ending", "leave the detector bu out"
      )
    kernel = np.asarray(train.head[0], np.float32)  # [C, K]; the bias moves no variance
    expected = (int(self.widths_[self.layers_[0]]), self.num_classes_)
    if kernel.shape != expected:
      raise InputError(f"a head of shape {expected}", f"{kernel.shape}", "take model.taps(images)")
    draws = tf.random.stateless_uniform([self.passes, len(kernel)], [self.seed, 21]).numpy()
    masks = (draws >= self.rate) / (1.0 - self.rate)  # [N, C]
    self.kernels_ = np.einsum("nc,ck->cnk", masks, kernel).astype(np.float32)
    self.sign_ = 1.0
    scores = self._run(self.score_tensor, data.taps)
    self.sign_ = learn_sign(data, scores)
    # One bit out of all rows; signs of single folds would mix the sides where there is no signal.
    return self.sign_ * scores

  def score_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """The variance `[B]`, turned so that adversarials are above."""
    passes = tf.tensordot(features[self.layers_[0]], self._tensors["kernels_"], 1)  # [B, N, K]
    return self.sign_ * tf.reduce_sum(tf.math.reduce_variance(passes, axis=1), axis=1)
