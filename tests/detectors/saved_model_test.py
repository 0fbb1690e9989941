import keras
import numpy as np
import pytest
import tensorflow as tf

from hfc_tf import detectors
from hfc_tf.detectors import DETECTORS, SavedModelDetector, export_detector
from hfc_tf.errors import InputError


class Roughness(tf.Module):
  """Mean absolute difference of neighbouring pixels, in units of the images."""

  def __init__(self, form):
    super().__init__()
    self.form = form

  @tf.function(autograph=False)
  def __call__(self, images):
    axes = list(range(1, len(images.shape)))
    score = tf.reduce_mean(tf.abs(images[:, 1:] - images[:, :-1]), axes)
    return {
      "flat": score,
      "column": score[:, None],
      "named": {"score": score, "other": images},
      "two": {"a": score, "b": score},
      "map": images,
    }[self.form]


def saved(form, shape, path):
  module = Roughness(form)
  module(tf.zeros([1, *shape]))
  module.__call__.get_concrete_function(tf.TensorSpec([None, *shape], tf.float32))
  tf.saved_model.save(module, path)
  return SavedModelDetector(path)


@pytest.mark.parametrize("form", ["flat", "column", "named"])
def test_scores_are_the_strangers_in_the_models_bounds(volumes, form, tmp_path):
  detector = saved(form, (6, 6, 6, 1), str(tmp_path / "model"))
  detector.fit(volumes.train, **volumes.arguments)
  images = volumes.test_adversarial
  expected = np.abs(np.diff(images, axis=1)).mean(axis=(1, 2, 3, 4))
  assert expected.max() > 1  # of 255
  scores = detector.score_images(volumes.model, images)
  np.testing.assert_allclose(scores, expected, rtol=1e-4)
  clean = detector.score_images(volumes.model, volumes.images["clean"])
  assert np.mean(clean <= detector.threshold_) == pytest.approx(0.9, abs=0.02)
  detector.save(tmp_path / "detector.npz")
  again = detectors.load(tmp_path / "detector.npz")
  np.testing.assert_array_equal(again.score_images(volumes.model, images), scores)


def test_a_keras_model_that_was_exported(pictures, tmp_path):
  inputs = keras.Input((8, 8, 3))
  outputs = keras.layers.Dense(1)(keras.layers.Flatten()(inputs))
  network = keras.Model(inputs, outputs)
  network.export(tmp_path / "model", verbose=False)
  detector = SavedModelDetector(tmp_path / "model").fit(pictures.train, **pictures.arguments)
  np.testing.assert_allclose(
    detector.score_images(pictures.model, pictures.test_clean),
    network(pictures.test_clean).numpy()[:, 0],
    rtol=1e-4,
    atol=1e-5,
  )


def test_reads_our_own_export(pictures, tmp_path):
  exported = DETECTORS["mgm"]().fit(pictures.train, **pictures.adv_train)
  export_detector(exported, pictures.model, tmp_path / "mgm")
  detector = SavedModelDetector(tmp_path / "mgm").fit(pictures.train, **pictures.arguments)
  np.testing.assert_allclose(
    detector.score_images(pictures.model, pictures.test_clean),
    exported.score_images(pictures.model, pictures.test_clean),
    rtol=1e-4,
    atol=1e-3,
  )
  assert detector.threshold_ == pytest.approx(exported.threshold_, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("form", ["two", "map"])
def test_what_is_no_score_is_refused(pictures, form, tmp_path):
  detector = saved(form, (8, 8, 3), str(tmp_path / "model"))
  with pytest.raises(InputError, match="return one score an image"):
    detector.fit(pictures.train, **pictures.arguments)


def test_a_missing_folder_is_named(pictures, tmp_path):
  with pytest.raises(InputError, match=r"found .*nowhere"):
    SavedModelDetector(tmp_path / "nowhere").fit(pictures.train, **pictures.arguments)
