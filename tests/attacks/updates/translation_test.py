"""The smoothed gradient against SciPy."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage
from scipy.stats import norm

from hfc_tf.attacks import BIM, TIM
from hfc_tf.attacks.updates import Here, TranslationInvariant
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import EPS, balanced, random_images


@pytest.mark.parametrize("shape", [(9, 12, 2), (5, 8, 7, 1)])
@pytest.mark.parametrize("size", [15, 7])
def test_the_kernel_of_the_paper_on_images_and_volumes(shape, size, monkeypatch):
  gradient = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
  seen = []
  monkeypatch.setattr(tf, "sign", lambda values: seen.append(values) or values)
  here = Here(tf.zeros_like(gradient), [tf.constant(gradient)], None, None, None, None, 1.0, None)
  TranslationInvariant(size, depth=True).step(here, ())
  line = norm.pdf(np.linspace(-3, 3, size))
  expected = gradient.astype(np.float64)
  for axis in range(1, gradient.ndim - 1):
    expected = ndimage.convolve1d(expected, line / line.sum(), axis, mode="constant")
  np.testing.assert_allclose(seen[0], expected, atol=1e-6)


def _smoothed(update, gradient, monkeypatch):
  seen = []
  with monkeypatch.context() as patch:
    patch.setattr(tf, "sign", lambda values: seen.append(values) or values)
    here = Here(tf.zeros_like(gradient), [tf.constant(gradient)], *[None] * 4, 1.0, None)
    update.step(here, ())
  return seen[0].numpy()


@pytest.mark.parametrize("shape", [(150, 160, 1), (149, 299, 1), (8, 8, 3), (16, 24, 24, 1)])
def test_the_kernel_follows_the_plane_and_leaves_depth_alone(shape, monkeypatch):
  gradient = np.random.default_rng(1).normal(size=(1, *shape)).astype(np.float32)
  line = norm.pdf(np.linspace(-3, 3, 15 if min(shape[-3:-1]) >= 150 else 7))
  expected = gradient.astype(np.float64)
  for axis in (-3, -2):
    expected = ndimage.convolve1d(expected, line / line.sum(), axis, mode="constant")
  smoothed = _smoothed(TranslationInvariant(), gradient, monkeypatch)
  np.testing.assert_allclose(smoothed, expected, atol=1e-6)
  along = _smoothed(TranslationInvariant(depth=True), gradient, monkeypatch)
  assert (np.abs(along - smoothed).max() > 1e-3) == (len(shape) == 4)


@pytest.mark.parametrize("shape", [(8, 8, 3), (6, 7, 8, 1)])
def test_a_kernel_of_one_is_bim_bit_for_bit(shape):
  model, images = TappedModel(balanced(shape)), random_images(shape, 3)
  settings = {"eps": EPS, "steps": 8}
  plain = BIM(model, **settings)(images, 1)
  np.testing.assert_array_equal(TIM(model, kernel=1, **settings)(images, 1), plain)
  assert (TIM(model, kernel=3, **settings)(images, 1) != plain).any()


def test_even_kernels_are_refused():
  with pytest.raises(InputError, match="an odd kernel size"):
    TranslationInvariant(4)
