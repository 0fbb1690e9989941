import dataclasses

import numpy as np
import pytest

from hfc_tf.detectors.bayesian import BayesianUncertainty
from hfc_tf.errors import InputError


def test_is_the_variance_over_all_logits_of_dropped_out_passes(world):
  detector = BayesianUncertainty().fit(world.train, **world.adv_train)
  kernel, bias = world.train.head
  loudest = np.abs(kernel).sum(axis=1).argmax()
  # The masks, read back from what the detector keeps.
  live = np.abs(kernel).max(axis=1) > 0
  masks = detector.kernels_[live][:, :, 0] / kernel[live][:, :1]  # [C, N]
  assert detector.kernels_.shape[1:] == (50, 2) and live[loudest]
  np.testing.assert_allclose(np.unique(masks.round(4)), [0, 1.4286])
  features = world.test_clean.features["last"][:, live].astype(float)
  for n, row in enumerate(features[:10]):
    passes = [(row * mask) @ kernel[live] + bias for mask in masks.T]
    mean = sum(passes) / 50
    variance = sum(logits @ logits for logits in passes) / 50 - mean @ mean  # Eq. 21
    score = detector.sign_ * detector.score(world.test_clean[n : n + 1])[0]
    assert score == pytest.approx(variance, rel=1e-4)


def test_every_logit_counts(world):
  kernel, bias = world.train.head
  silent = np.stack([np.zeros(len(kernel)), kernel[:, 1]], axis=1).astype(np.float32)
  train = dataclasses.replace(world.train, head=(silent, bias))
  one = BayesianUncertainty().fit(train, **world.adv_train)
  both = BayesianUncertainty().fit(world.train, **world.adv_train)
  scores = np.abs(one.score(world.test_clean))
  assert scores.min() > 0
  # The logits of this head are each other's negatives: each carries half of the variance.
  np.testing.assert_allclose(2 * scores, np.abs(both.score(world.test_clean)), rtol=1e-4)


def test_keeps_the_mean_and_drops_the_given_share(world):
  rng = np.random.default_rng(0)
  head = (rng.normal(size=[16, 2]).astype(np.float32), np.zeros(2, np.float32))
  train = dataclasses.replace(world.train, head=head)
  detector = BayesianUncertainty(passes=4000, rate=0.3).fit(train, **world.adv_train)
  np.testing.assert_allclose(detector.kernels_.mean(axis=1), head[0], atol=0.1)
  assert np.mean(detector.kernels_ == 0) == pytest.approx(0.3, abs=0.01)


def test_masks_depend_on_the_seed_alone(world):
  first, second, other = (
    BayesianUncertainty(seed=seed).fit(world.train, **world.adv_train) for seed in (0, 0, 1)
  )
  np.testing.assert_array_equal(first.kernels_, second.kernels_)
  assert (first.kernels_ != other.kernels_).any()


def test_needs_a_head(world):
  assert BayesianUncertainty.reads == "head"
  with pytest.raises(InputError, match="dense layer"):
    BayesianUncertainty().fit(dataclasses.replace(world.train, head=None), **world.adv_train)
