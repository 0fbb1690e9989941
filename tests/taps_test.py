"""TappedModel: what it finds, what it returns, what it refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel, Taps
from tests.networks import tiny


def _images(shape, count=4):
  return np.random.default_rng(0).uniform(size=(count, *shape)).astype(np.float32)


@pytest.mark.parametrize("shape", [(8, 8, 3), (6, 7, 8, 1)])
def test_features_are_channel_means_of_every_activation(shape):
  network, images = tiny(shape), _images(shape)
  model = TappedModel(network)
  taps = model.taps(images, [0, 1, 1, 0], batch_size=3)
  assert model.layers == ("first", "relu") and model.widths == {"first": 6, "relu": 10}
  for name in model.layers:
    inner = keras.Model(network.input, network.get_layer(name).output)
    maps = inner.predict(images, verbose=0)
    means = maps.mean(axis=tuple(range(1, maps.ndim - 1)))
    np.testing.assert_allclose(taps.features[name], means, atol=1e-6)
  np.testing.assert_allclose(taps.logits, network.predict(images, verbose=0), atol=1e-5)
  kernel, bias = taps.head
  assert taps.penultimate == "relu"
  np.testing.assert_allclose(taps.features["relu"] @ kernel + bias, taps.logits, atol=1e-5)


def test_residual_network_has_all_its_activations():
  network = keras.applications.ResNet50(weights=None, input_shape=(32, 32, 3), classes=2)
  model = TappedModel(network)
  assert len(model.layers) == 49
  assert model.penultimate == "conv5_block3_out" and model.widths["conv5_block3_out"] == 2048


def test_vgg_with_dropout_has_fc2_as_penultimate_and_counts_it_once():
  body = keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))
  network = keras.Sequential(
    [
      keras.Input((32, 32, 3)),
      keras.layers.Rescaling(2.0, -1.0),
      body,
      keras.layers.Flatten(),
      keras.layers.Dense(16, "relu", name="fc1"),
      keras.layers.Dropout(0.5),
      keras.layers.Dense(16, "relu", name="fc2"),
      keras.layers.Dropout(0.5),
      keras.layers.Dense(3, "softmax"),
    ]
  )
  model, images = TappedModel(network), _images((32, 32, 3), 2)
  assert len(model.layers) == 15 and model.penultimate == "fc2"
  logits = model.taps(images).logits
  probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
  np.testing.assert_allclose(probabilities, network.predict(images, verbose=0), atol=1e-5)


@pytest.mark.parametrize("separate", [False, True])
def test_one_sigmoid_unit_becomes_two_logits(separate):
  inputs = keras.Input((8, 8, 3))
  x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, activation="relu")(inputs))
  outputs = keras.layers.Dense(1, None if separate else "sigmoid")(x)
  if separate:
    outputs = keras.layers.Activation("sigmoid")(outputs)
  network, images = keras.Model(inputs, outputs), _images((8, 8, 3))
  model = TappedModel(network)
  taps = model.taps(images)
  assert (taps.logits[:, 0] == 0).all() and model.num_classes == 2 and len(model.layers) == 1
  probability = 1 / (1 + np.exp(-taps.logits[:, 1]))
  np.testing.assert_allclose(probability, network.predict(images, verbose=0)[:, 0], atol=1e-6)
  kernel, bias = taps.head
  np.testing.assert_allclose(
    taps.features[taps.penultimate] @ kernel + bias, taps.logits, atol=1e-5
  )


@pytest.mark.parametrize("layer", ["softmax", "activation", "function"])
def test_softmax_of_every_kind_is_unwrapped(layer):
  network = tiny()
  outputs = {
    "softmax": keras.layers.Softmax(),
    "activation": keras.layers.Activation("softmax"),
    "function": keras.ops.softmax,
  }[layer](network.output)
  model, images = TappedModel(keras.Model(network.input, outputs)), _images((8, 8, 3))
  np.testing.assert_allclose(
    model.taps(images).logits, network.predict(images, verbose=0), atol=1e-5
  )


def test_activations_as_functions_and_shared_layers_are_tapped():
  inputs = keras.Input((8, 8, 3))
  convolution = keras.layers.Conv2D(3, 3, padding="same", activation="relu", name="shared")
  x = convolution(convolution(inputs))
  x = keras.activations.silu(keras.layers.Conv2D(5, 3)(x))
  x = keras.layers.Flatten()(keras.layers.MaxPooling2D(2)(x))
  model = TappedModel(keras.Model(inputs, keras.layers.Dense(2)(x)))
  assert model.layers[:2] == ("shared", "shared:2") and len(model.layers) == 4
  assert model.penultimate == "penultimate" and model.widths["penultimate"] == 3 * 3 * 5
  taps = model.taps(_images((8, 8, 3)))
  kernel, bias = taps.head
  np.testing.assert_allclose(taps.features["penultimate"] @ kernel + bias, taps.logits, atol=1e-5)


def test_network_runs_in_inference_mode_and_stays_as_it_was():
  inputs = keras.Input((8, 8, 3))
  x = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
  x = keras.layers.Dropout(0.5)(keras.layers.GlobalAveragePooling2D()(x), training=True)
  network = keras.Model(inputs, keras.layers.Dense(2)(x))
  config, weights = network.to_json(), [np.array(w) for w in network.weights]
  trainable = [layer.trainable for layer in network.layers]
  nodes = [len(layer._inbound_nodes) for layer in network.layers]
  images = _images((8, 8, 3))
  model = TappedModel(network)
  np.testing.assert_array_equal(model.taps(images).logits, model.taps(images).logits)
  assert network.to_json() == config
  assert [layer.trainable for layer in network.layers] == trainable
  assert [len(layer._inbound_nodes) for layer in network.layers] == nodes
  for weight, old in zip(network.weights, weights, strict=True):
    np.testing.assert_array_equal(weight, old)


def test_preprocessing_and_bounds_are_applied():
  network, images = tiny(), _images((8, 8, 3))
  model = TappedModel(network, preprocessing=lambda x: x / 255.0, bounds=(0, 255))
  np.testing.assert_allclose(
    model.taps(images * 255).logits, TappedModel(network).taps(images).logits, atol=1e-5
  )


def test_rounding_noise_is_no_range_error():
  images = _images((8, 8, 3))
  images[0, 0, 0, 0], images[0, 0, 0, 1] = -3e-8, 1 + 1e-7
  assert len(TappedModel(tiny()).taps(images)) == 4


class _Subclassed(keras.Model):
  def __init__(self):
    super().__init__(name="theirs")
    self.dense = keras.layers.Dense(2)

  def call(self, inputs):
    return self.dense(keras.ops.mean(inputs, axis=(1, 2)))


def _two_inputs():
  a, b = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
  return keras.Model([a, b], keras.layers.Dense(2)(keras.layers.Flatten()(a + b)))


def _head(units, activation=None, relu=True):
  inputs = keras.Input((8, 8, 3))
  x = keras.layers.Conv2D(4, 3, activation="relu" if relu else None)(inputs)
  x = keras.layers.GlobalAveragePooling2D()(x)
  return keras.Model(inputs, keras.layers.Dense(units, activation)(x))


def _vector():
  inputs = keras.Input((8,))
  return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Dense(4, "relu")(inputs)))


def _nested_subclass():
  inputs = keras.Input((8, 8, 3))
  return keras.Model(inputs, keras.layers.Dense(2)(_Subclassed()(inputs)))


@pytest.mark.parametrize(
  "build,message",
  [
    (_Subclassed, "_Subclassed 'theirs', which is subclassed"),
    (_nested_subclass, "without any"),
    (_two_inputs, "with 2 inputs"),
    (lambda: _head(3, "sigmoid"), "multi-label"),
    (lambda: _head(2, relu=False), "without any"),
    (lambda: _head(2, "relu"), "ending in relu"),
    (_vector, r"input of shape \(H, W, C\)"),
  ],
)
def test_models_that_cannot_be_tapped_are_refused_by_name(build, message):
  with pytest.raises(InputError, match=message):
    TappedModel(build())


def test_taps_are_indexed_and_joined_row_by_row():
  taps = TappedModel(tiny()).taps(_images((8, 8, 3)), [0, 1, 0, 1], groups=[5, 5, 6, 7])
  again = Taps.concatenate([taps[:1], taps[np.array([1, 2])], taps[[False, False, False, True]]])
  for name in taps.features:
    np.testing.assert_array_equal(again.features[name], taps.features[name])
  np.testing.assert_array_equal(again.groups, taps.groups)
  np.testing.assert_array_equal(again.labels, taps.labels)


def test_labels_are_class_numbers_or_one_hot():
  model, images = TappedModel(tiny()), _images((8, 8, 3))
  expected = [0, 1, 1, 0]
  for labels in (expected, np.eye(2)[expected], np.array(expected)[:, None], np.float32(expected)):
    np.testing.assert_array_equal(model.taps(images, labels).labels, expected)
  pairs = tf.data.Dataset.from_tensor_slices((images, np.eye(2)[expected])).batch(3)
  np.testing.assert_array_equal(model.taps(pairs).labels, expected)


@pytest.mark.parametrize(
  "labels, message",
  [
    ([0, 1, 0], "4 labels, one an image; found 3"),
    ([0, 1, 0, 1, 0], "4 labels, one an image; found 5"),
    ([0, 1, 2, 0], "values 0 to 2"),
    ([0, 1, -2, 0], "values -2 to 1"),
    ([0.5, 0, 1, 1], "values 0.0 to 1.0"),
    (np.full((4, 2), 0.5), r"float64 of shape \(4, 2\)"),
    (["a", "b", "a", "b"], "pass class numbers"),
  ],
)
def test_labels_that_cannot_be_meant_are_refused(labels, message):
  with pytest.raises(InputError, match=message):
    TappedModel(tiny()).taps(_images((8, 8, 3)), labels)


def test_labels_beside_a_dataset_are_refused():
  images = tf.data.Dataset.from_tensor_slices(_images((8, 8, 3))).batch(2)
  with pytest.raises(InputError, match="inside the Dataset"):
    TappedModel(tiny()).taps(images, np.ones(4, int))


def test_groups_may_be_names_and_must_be_one_an_image():
  model, images = TappedModel(tiny()), _images((8, 8, 3))
  groups = model.taps(images, groups=["p2", "p1", "p2", "p3"]).groups
  assert groups.dtype == np.int64 and groups[0] == groups[2] and len(set(groups)) == 3
  with pytest.raises(InputError, match="4 groups"):
    model.taps(images, groups=[1, 2])
