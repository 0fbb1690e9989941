import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from hfc_tf.detectors.squeezing import FeatureSqueezing, median, reduce_depth
from hfc_tf.errors import InputError


@pytest.mark.parametrize("shape", [(3, 7, 8, 3), (2, 5, 6, 7, 1)])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_median_equals_scipy(shape, size):
  images = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
  window = (1, *[size] * (len(shape) - 2), 1)
  expected = scipy.ndimage.median_filter(images, size=window, mode="reflect")
  np.testing.assert_array_equal(median(tf.constant(images), size), expected)


@pytest.mark.parametrize("depth", [1, 4, 5, 8])
def test_depth_rounds_to_levels(depth):
  images = np.random.default_rng(0).uniform(size=[2, 9, 9, 3]).astype(np.float32)
  actual = reduce_depth(tf.constant(images), depth).numpy()
  np.testing.assert_allclose(actual, np.rint(images * (2**depth - 1)) / (2**depth - 1), atol=1e-6)
  assert len(np.unique(actual.round(5))) <= 2**depth


def test_gradient_passes_through_rounding():
  images = tf.constant([[[[0.3]]]])
  with tf.GradientTape() as tape:
    tape.watch(images)
    squeezed = 5 * reduce_depth(images, 3)
  assert tape.gradient(squeezed, images).numpy() == 5


def probabilities(model, images):
  logits = model.taps(images).logits.astype(float)
  exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
  return exponents / exponents.sum(axis=1, keepdims=True)


def test_distances_equal_plain_numpy(pictures):
  detector = FeatureSqueezing().fit(pictures.train, **pictures.arguments)
  images = pictures.test_adversarial
  layers = detector.layer_score_images(pictures.model, images)
  assert list(layers) == ["bit depth 5", "bit depth 4", "median 2", "median 3"]
  squeezed = {
    "bit depth 5": np.rint(images * 31) / 31,
    "bit depth 4": np.rint(images * 15) / 15,
    "median 2": scipy.ndimage.median_filter(images, size=(1, 2, 2, 1)),
    "median 3": scipy.ndimage.median_filter(images, size=(1, 3, 3, 1)),
  }
  plain = probabilities(pictures.model, images)
  for name, values in squeezed.items():
    gaps = np.abs(probabilities(pictures.model, values.astype(np.float32)) - plain).sum(axis=1)
    np.testing.assert_allclose(layers[name], gaps, rtol=1e-3, atol=1e-5)
  chosen = np.stack(list(layers.values()))[detector.chosen_]
  np.testing.assert_allclose(
    detector.score_images(pictures.model, images), chosen.max(axis=0), rtol=1e-5, atol=1e-6
  )


def test_a_squeezer_that_disturbs_clean_images_is_left_out(pictures):
  # One bit leaves nothing of these images; joined with it, the median would say nothing.
  detector = FeatureSqueezing(bit_depths=(1,), medians=(2,))
  detector.fit(pictures.train, **pictures.arguments)
  assert detector.chosen_ == [1]


def test_refuses_no_squeezer(pictures):
  with pytest.raises(InputError, match="at least one squeezer"):
    FeatureSqueezing([], []).fit(pictures.train, **pictures.arguments)
  with pytest.raises(InputError, match="of at least 1"):
    FeatureSqueezing([0]).fit(pictures.train, **pictures.arguments)
