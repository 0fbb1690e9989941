import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.detectors.mahalanobis import Mahalanobis
from hfc_tf.detectors.mahalanobis_step import SteppedMahalanobis
from hfc_tf.errors import InputError


def test_no_step_is_the_plain_detector(pictures):
  plain = Mahalanobis().fit(pictures.train, **pictures.adv_train)
  still = SteppedMahalanobis([0.0]).fit(pictures.train, **pictures.arguments)
  images = pictures.test_adversarial
  assert still.layers_ == plain.layers_
  np.testing.assert_allclose(
    still.score_images(pictures.model, images),
    plain.score_images(pictures.model, images),
    rtol=1e-3,
    atol=1e-3,
  )


def test_each_layer_takes_its_own_step_downhill(pictures):
  detector = SteppedMahalanobis([0.01]).fit(pictures.train, **pictures.arguments)
  images, model = pictures.test_clean[:6], pictures.model
  distances = detector.layer_score_images(model, images)
  for name in detector.layers_:
    means = np.stack(
      [pictures.train.features[name][pictures.train.labels == c].mean(axis=0) for c in (0, 1)]
    )
    matrix = detector.whitening_[name]

    def distance(x, name=name, means=means, matrix=matrix):
      _, features = model(x)
      gaps = (features[name][:, None] - means) @ matrix
      return tf.reduce_min(tf.reduce_sum(gaps**2, axis=2), axis=1)

    for i, image in enumerate(images):
      x = tf.constant(image[None])
      with tf.GradientTape() as tape:
        tape.watch(x)
        before = distance(x)
      after = distance(x - 0.01 * tf.sign(tape.gradient(before, x)))
      assert distances[name][i] == pytest.approx(after.numpy()[0], rel=1e-2, abs=1e-2)
    plain = distance(tf.constant(images))
    assert np.mean(distances[name] < plain) > 0.8


def test_magnitude_is_chosen_in_image_units(pictures, volumes):
  for world in (pictures, volumes):
    detector = SteppedMahalanobis(magnitudes=[0.0, 0.002, 0.3])
    detector.fit(world.train, **world.arguments)
    assert detector.magnitude_ in (0.0, 0.002)  # a third of the range leaves no image


def test_reads_five_layers_unless_asked(pictures):
  detector = SteppedMahalanobis()
  train = pictures.train
  wide = {f"layer {i}": train.features["first"] for i in range(12)}
  many = type(train)(wide, train.logits, train.labels, "layer 11")
  assert detector._choose_layers(many) == [f"layer {i}" for i in (2, 4, 7, 9, 11)]
  assert SteppedMahalanobis(layers=["layer 3"])._choose_layers(many) == ["layer 3"]
  assert detector._choose_layers(train) == list(train.features)


def test_refuses_negative_steps(pictures):
  with pytest.raises(InputError, match="magnitudes >= 0"):
    SteppedMahalanobis([-0.1]).fit(pictures.train, **pictures.arguments)
