import numpy as np
import pytest
import tensorflow as tf

from hfc_tf import detectors
from hfc_tf.detectors import DETECTORS
from hfc_tf.errors import InputError
from hfc_tf.evaluation.metrics import auc

KEYS = list(DETECTORS)
READS_IMAGES = [key for key, kind in DETECTORS.items() if kind.reads == "images"]


def test_every_detector_is_fitted_and_asked_alike(fitted_on_images):
  world, fitted = fitted_on_images
  for key, detector in fitted.items():
    scores = detector.score_images(world.model, world.test_clean)
    assert scores.shape == (len(world.test_clean),) and scores.dtype == np.float32, key
    if detector.reads != "images":
      taps = world.model.taps(world.test_clean)
      np.testing.assert_array_equal(scores, detector.score(taps), err_msg=key)
    # The threshold was learnt on other clean images of the same kind.
    assert np.mean(scores <= detector.threshold_) > 0.6, key


def test_image_detectors_see_the_attack(fitted_on_images):
  world, fitted = fitted_on_images
  for key in READS_IMAGES:
    scores = [
      fitted[key].score_images(world.model, x) for x in (world.test_clean, world.test_adversarial)
    ]
    assert auc(*scores) > 0.7, key


@pytest.mark.parametrize("key", READS_IMAGES)
def test_scores_do_not_depend_on_the_batch(fitted_on_images, key):
  world, fitted = fitted_on_images
  detector, images = fitted[key], world.test_adversarial[:21]
  scores = detector.score_images(world.model, images)
  single = [detector.score_images(world.model, image[None])[0] for image in images[:4]]
  np.testing.assert_allclose(single, scores[:4], rtol=1e-4, atol=1e-4)
  dataset = tf.data.Dataset.from_tensor_slices(images).batch(5)
  np.testing.assert_allclose(
    detector.score_images(world.model, dataset), scores, rtol=1e-4, atol=1e-4
  )
  assert detector.score_images(world.model, images[:0]).shape == (0,)


@pytest.mark.parametrize("key", READS_IMAGES)
def test_one_trace_a_model(fitted_on_images, key, tmp_path):
  world, fitted = fitted_on_images
  fitted[key].save(tmp_path / "detector.npz")
  again = detectors.load(tmp_path / "detector.npz")
  traces, score = [], again.score_image_tensor

  def counted(model, images):
    traces.append(images.shape)
    return score(model, images)

  again.score_image_tensor = counted
  again.score_images(world.model, world.test_clean)
  again.score_images(world.model, world.test_adversarial[:3])
  assert len(traces) == 1


@pytest.mark.parametrize("key", READS_IMAGES)
def test_save_and_load(fitted_on_images, key, tmp_path):
  world, fitted = fitted_on_images
  fitted[key].save(tmp_path / "detector.npz")
  loaded = detectors.load(tmp_path / "detector.npz")
  assert type(loaded) is DETECTORS[key] and loaded.threshold_ == fitted[key].threshold_
  assert loaded.settings() == {
    name: list(value) if isinstance(value, tuple) else value
    for name, value in fitted[key].settings().items()
  }
  for images in (world.test_clean, world.test_adversarial):
    np.testing.assert_array_equal(
      loaded.score_images(world.model, images), fitted[key].score_images(world.model, images)
    )


@pytest.mark.parametrize("key", READS_IMAGES)
def test_fit_depends_on_nothing_but_its_arguments(pictures, key):
  first = DETECTORS[key]().fit(pictures.train, **pictures.arguments)
  first.score_images(pictures.model, 1 - pictures.test_adversarial)
  again = DETECTORS[key]().fit(pictures.train, **pictures.arguments)
  assert again.threshold_ == first.threshold_
  assert again.settings() == first.settings()
  for name, values in again._arrays().items():
    np.testing.assert_array_equal(values, first._arrays()[name], err_msg=name)


@pytest.mark.parametrize("key", [key for key in KEYS if DETECTORS[key].differentiable])
def test_the_image_has_a_finite_gradient(fitted_on_images, key):
  world, fitted = fitted_on_images
  images = tf.constant(world.model.to_unit(world.test_adversarial[:3]))
  with tf.GradientTape() as tape:
    tape.watch(images)
    outputs = fitted[key].outputs(world.model, images)
  scores = fitted[key].score_images(world.model, world.test_adversarial[:3])
  np.testing.assert_allclose(outputs["score"], scores, rtol=1e-3, atol=1e-3)
  gradient = tape.gradient(outputs["score"], images)
  assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


def test_layer_scores(fitted_on_images):
  world, fitted = fitted_on_images
  for key, detector in fitted.items():
    if not detector.per_layer:
      with pytest.raises(InputError, match="scores per layer"):
        detector.layer_score_images(world.model, world.test_clean)
      continue
    layers = detector.layer_score_images(world.model, world.test_clean)
    unit = tf.constant(world.model.to_unit(world.test_clean))
    expected = detector.outputs(world.model, unit)["layer_scores"]
    assert list(layers) == detector.layers_, key
    np.testing.assert_allclose(
      np.stack(list(layers.values()), axis=1), expected, rtol=1e-3, atol=1e-3, err_msg=key
    )


@pytest.mark.parametrize("key", READS_IMAGES)
def test_taps_are_not_enough(pictures, key):
  taps = pictures.adv_train["clean"]
  with pytest.raises(InputError, match=r"found no classifier, 0 images; pass model= and images="):
    DETECTORS[key]().fit(pictures.train, **pictures.adv_train)
  short = {**pictures.images, "noisy": pictures.images["noisy"][:-1]}
  with pytest.raises(InputError, match="one for each row of the taps"):
    DETECTORS[key]().fit(pictures.train, **{**pictures.arguments, "images": short})
  with pytest.raises(InputError, match="before fit"):
    DETECTORS[key]().score_images(pictures.model, pictures.test_clean)
  fitted = DETECTORS[key]().fit(pictures.train, **pictures.arguments)
  with pytest.raises(InputError, match="call score_images"):
    fitted.score(taps)
  with pytest.raises(InputError, match="call score_images"):
    fitted.score_tensor(taps.features, taps.logits)


def test_noise_may_be_left_out(pictures):
  arguments = {**pictures.arguments, "noisy": None}
  detector = DETECTORS["squeezing"]().fit(pictures.train, **arguments)
  assert np.isfinite(detector.score_images(pictures.model, pictures.test_clean)).all()
