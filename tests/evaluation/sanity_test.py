"""Each mistake is told, and none where there is none."""

import keras
import numpy as np
import pytest

from hfc_tf.evaluation import sanity
from hfc_tf.taps import TappedModel
from tests.networks import tapped

LABELS = np.repeat([0, 1], [30, 70])


def test_a_classifier_that_only_knows_the_commonest_class():
  assert list(sanity.untrained(0.95, LABELS)) == []
  assert "commonest class (0.700)" in "".join(sanity.untrained(0.71, LABELS))
  assert list(sanity.untrained(0.5, LABELS))


def test_a_classifier_that_names_one_class_whatever_its_accuracy():
  names = ("nevus", "melanoma")
  assert list(sanity.collapsed([[90, 5], [2, 20]], names)) == []
  near, never = sanity.collapsed([[95, 0], [5, 0]], names)
  assert "balanced accuracy is 0.500, near chance (0.500), although its accuracy is 0.950" in near
  assert "100% of Test images are taken for class nevus" in near
  assert never == "The classifier gets none of the 5 Test images of class melanoma right."
  assert list(sanity.collapsed([[95, 0], [0, 0]], names)) == []


def test_attacked_images_outside_range_or_ball():
  clean = np.full((4, 3, 3, 1), 0.5, np.float32)
  eps = 2 / 256
  assert list(sanity.outside("bim", clean, clean + np.float32(eps), eps)) == []
  (text,) = sanity.outside("bim", clean, clean + 3 / 256, eps)
  assert text == "bim: attacked images leave the ball, by 3/256 where 2/256 was allowed."
  assert list(sanity.outside("deepfool", clean, clean + 3 / 256, None)) == []
  (text,) = sanity.outside("bim", clean, clean + 0.6, None)
  assert "leave [0, 1], from 1.1 to 1.1" in text
  (text,) = sanity.outside("bim", clean, clean * np.nan, eps)
  assert "NaN" in text


def test_colour_on_grey_images_gives_itself_away():
  rng = np.random.default_rng(0)
  grey = np.repeat(rng.uniform(size=(9, 4, 4, 1)).astype(np.float32), 3, -1)
  coloured = rng.uniform(size=grey.shape).astype(np.float32)
  assert sanity.channels_differ(grey, grey[:5] * 0.5) == 0.5
  assert sanity.channels_differ(grey, grey + coloured / 256) == 1.0
  widest = [(x.max(-1) - x.min(-1)).max((1, 2)) for x in (coloured, coloured[::-1] * 0.9)]
  expected = np.mean([(b > a) + 0.5 * (a == b) for a in widest[0] for b in widest[1]])
  assert sanity.channels_differ(coloured, coloured[::-1] * 0.9) == pytest.approx(expected)
  assert sanity.channels_differ(grey[..., :1], grey[..., :1]) is None
  assert sanity.channels_differ(grey, grey[:0]) is None
  volumes = np.stack([grey] * 2, axis=1)
  assert sanity.channels_differ(volumes, volumes) == 0.5


def test_a_model_without_gradients():
  images = np.random.default_rng(0).uniform(size=(12, 8, 8, 3)).astype(np.float32)
  targets = np.arange(12, dtype=np.int32) % 2
  assert list(sanity.silent_gradients(tapped(), images, targets)) == []
  inputs = keras.Input((8, 8, 3))
  dead = keras.layers.Conv2D(4, 3, bias_initializer=keras.initializers.Constant(-100.0))(inputs)
  pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(dead))
  masked = TappedModel(keras.Model(inputs, keras.layers.Dense(2)(pooled)))
  (text,) = sanity.silent_gradients(masked, images, targets)
  assert "no gradient at 100% of 12 images" in text


def test_what_is_lost_when_images_are_stored():
  (text,) = sanity.lost_as_files("DeepFool", 0.97, 0.05, "8 bits")
  assert text == "DeepFool reaches its target on 97% of images as floats, on 5% as 8-bit files."
  assert not list(sanity.lost_as_files("BIM", 0.97, 0.88, "8 bits"))


def test_attacks_that_colour_grey_images():
  assert "3 grey AdvTest images" in next(sanity.coloured(3)) and not list(sanity.coloured(0))


def test_half_of_the_steps_do_better():
  some, more = np.arange(20) < 12, np.arange(20) < 14
  assert list(sanity.weaker_than_half("bim", more, some)) == []
  assert list(sanity.weaker_than_half("bim", more, more)) == []
  (text,) = sanity.weaker_than_half("bim", some, more)
  assert "half of the steps reach the target on 70% of 20 images, all of them on 60%" in text
