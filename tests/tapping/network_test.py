"""Whatever users' models are made of, the taps give the probabilities that the model gives."""

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from hfc_tf.attacks import BIM
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel
from tests.networks import tiny
from tests.tapping.agreement import SHAPE, L, agree, body, classifier, random_images


@pytest.mark.parametrize("outputs", [lambda o: [o], lambda o: {"probabilities": o}])
def test_outputs_in_lists_and_dictionaries_are_taken_as_they_are(outputs):
  inputs = keras.Input(SHAPE)
  taps, _ = agree(keras.Model([inputs], outputs(L.Dense(3, "softmax")(body(inputs)))))
  assert taps.logits.shape == (6, 3)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
def test_quantised_layers_are_run_by_keras(mode):
  model = classifier(lambda h: L.Dense(2)(L.Dense(16, "relu")(h)))
  model.quantize(mode)
  _, tapped = agree(model, atol=0.01)
  adversarials = BIM(tapped, eps=4 / 256, steps=3)(random_images(), 1)
  assert np.mean(adversarials != random_images()) > 0.9


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_with_a_cast_at_the_end(policy):
  keras.config.set_dtype_policy(policy)
  try:
    model = classifier(lambda h: L.Activation("linear", dtype="float32")(L.Dense(3, "softmax")(h)))
  finally:
    keras.config.set_dtype_policy("float32")
  taps, _ = agree(model, atol=0.01)
  assert taps.logits.dtype == np.float32


def test_one_activation_layer_shared_by_a_gate_and_the_head():
  relu = L.ReLU(name="shared")

  def tail(h):
    gate = relu(L.Dense(8)(h))
    return L.Dense(3)(relu(L.Dense(8)(h * gate)))

  taps, _ = agree(classifier(tail))
  assert list(taps.features)[1:] == ["shared", "shared:2"] and taps.penultimate == "shared:2"


@pytest.mark.parametrize("first, second", [(L.Dense(4), L.Dense(1, "sigmoid")),
                                           (L.Dense(1, "sigmoid"), L.Dense(3, "softmax")),
                                           (L.Dense(2), L.Dense(2))])  # fmt: skip
def test_the_output_that_is_used_of_a_nested_model_has_its_own_head(first, second):
  first, second = (type(each).from_config(each.get_config()) for each in (first, second))
  inputs = keras.Input(SHAPE)
  h = body(inputs)
  inner = keras.Model(inputs, [first(h), second(h)])
  outer = keras.Input(SHAPE)
  taps, _ = agree(keras.Model(outer, inner(outer)[1]))
  np.testing.assert_array_equal(taps.head[0][:, -second.units :], second.kernel.numpy())


def test_nested_models_called_by_names_and_layers_called_by_keywords():
  a, b = keras.Input((16, 16, 4), name="z"), keras.Input((16, 16, 4), name="a")
  inner = keras.Model([a, b], L.ReLU()(a - 3 * b))
  inputs = keras.Input(SHAPE)
  u, v = L.Conv2D(4, 3, padding="same")(inputs=inputs), L.Conv2D(4, 1)(inputs)
  x = L.GlobalAveragePooling2D()(inner({"z": u, "a": v}))
  taps, _ = agree(keras.Model(inputs, L.Dense(2)(x)))
  assert len(taps.features) == 1


def test_a_sequential_model_with_its_own_call_is_followed():
  class Halved(keras.Sequential):
    def call(self, inputs, training=None, mask=None):
      return super().call(inputs * 0.5, training=training)

  layers = [L.Conv2D(4, 3, activation="relu"), L.GlobalAveragePooling2D(), L.Dense(2)]
  agree(Halved([keras.Input(SHAPE), *layers]))


class _Block(L.Layer):
  """A layer made of layers, as KerasHub's networks have."""

  def __init__(self, kind, **settings):
    super().__init__(**settings)
    self.convolution, self.norm, self.relu = L.Conv2D(5, 3), L.BatchNormalization(), L.ReLU()
    self.kind, self.function = kind, keras.activations.relu

  def call(self, inputs, training=None):
    x = self.norm(self.convolution(inputs), training=training)
    if self.kind == "Keras":
      return self.relu(x)
    if self.kind == "batch":  # whose size symbolic tensors do not know
      shape = keras.ops.shape(x)
      return keras.ops.reshape(keras.ops.relu(x), (shape[0], -1, shape[3]))[:, :, None]
    if self.kind == "TensorFlow":
      return tf.multiply(self.relu(x), 2.0)
    if self.kind == "function":
      return tf.multiply(self.function(x), 2.0)
    if self.kind == "tuple":
      return self.relu(x), None
    return tf.map_fn(lambda each: self.relu(each[None])[0], x)  # "loop"


@pytest.mark.parametrize("kind", ["Keras", "batch", "TensorFlow", "function", "tuple", "loop"])
def test_activations_inside_layers_made_of_layers_are_tapped_where_that_can_be(kind, caplog):
  inputs = keras.Input(SHAPE)
  block, x = _Block(kind, name="block"), L.Conv2D(4, 3, activation="relu")(inputs)
  block.build((None, 14, 14, 4))
  if kind == "tuple":
    x = L.Lambda(lambda maps: block(maps)[0], output_shape=(12, 12, 5))(x)
  else:
    x = block(x)
  taps, _ = agree(keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling2D()(x))))
  shown = len(taps.features) - (taps.penultimate == "penultimate")
  assert shown == (1 if kind in ("loop", "tuple") else 2)
  assert ("those inside block cannot be tapped" in caplog.text) == (kind == "loop")
  assert "call" not in vars(block.relu) and block.function is keras.activations.relu


def test_integer_images_give_what_the_model_gives():
  keras.utils.set_random_seed(0)
  inputs = keras.Input(SHAPE, dtype="uint8")
  model = keras.Model(inputs, L.Dense(2)(body(L.Rescaling(1 / 255)(inputs))))
  images = np.random.default_rng(0).integers(0, 256, (4, *SHAPE)).astype(np.uint8)
  _, tapped = agree(model, images, bounds=(0, 255))
  assert tapped.highest == 255


def _rescaled(layer):
  inputs = keras.Input(SHAPE)
  return keras.Model(inputs, L.Dense(2)(body(layer(inputs))))


def test_models_that_read_0_to_255_are_recognised(caplog):
  mean = L.Normalization(mean=[120.0, 110, 100], variance=[60.0**2] * 3)
  unit = L.Normalization(mean=[0.4] * 3, variance=[0.1] * 3)
  expected = {L.Rescaling(1 / 255): 255, L.Rescaling(1 / 127.5, -1): 255, mean: 255}
  expected |= {L.Rescaling(2.0, -1): None, unit: None}
  for layer, highest in expected.items():
    assert TappedModel(_rescaled(layer), bounds=(0, 255)).highest == highest
  assert "reads images of 0 to 255" not in caplog.text
  TappedModel(_rescaled(L.Rescaling(1 / 255)))
  assert "reads images of 0 to 255" in caplog.text


def test_bfloat16_keeps_the_statistics_of_an_adapted_normalisation():
  norm = L.Normalization()
  norm.adapt(random_images(32) * 3 + 5)
  model = _rescaled(norm)
  taps, _ = agree(model, precision="bfloat16", atol=0.05)
  exact = TappedModel(model).taps(random_images())
  first = next(iter(exact.features))
  np.testing.assert_allclose(taps.features[first], exact.features[first], rtol=0.02, atol=0.02)


def test_the_preprocessor_of_the_model_is_part_of_it():
  class Task(keras.Model):
    """As KerasHub's classifiers: `predict` preprocesses, `call` does not."""

    preprocessor = staticmethod(lambda images: images / 255.0)

    def predict(self, images, **settings):
      return super().predict(self.preprocessor(images), **settings)

  inputs = keras.Input(SHAPE)
  model = Task(inputs=inputs, outputs=L.Dense(2)(body(inputs)))
  _, tapped = agree(model, random_images() * 255, bounds=(0, 255))
  assert tapped.highest == 255


def test_a_layer_called_penultimate_keeps_its_name():
  model = classifier(
    lambda h: L.Dense(2)(L.LayerNormalization()(L.Dense(6, "relu", name="penultimate")(h)))
  )
  taps, _ = agree(model)
  inner = keras.Model(model.input, model.get_layer("penultimate").output)
  np.testing.assert_allclose(
    taps.features["penultimate"], inner.predict(random_images(), verbose=0), atol=1e-5
  )
  assert taps.penultimate == "penultimate:2"


@pytest.mark.parametrize("settings", [{"fold": True}, {"fold": False}, {"precision": "bfloat16"}])
def test_weights_that_change_are_taken_over_as_a_whole(settings):
  model = tiny(SHAPE)
  tapped = TappedModel(model, **settings)
  attack = BIM(tapped, eps=4 / 256, steps=2)
  before, attacked = tapped.taps(random_images()), attack(random_images(), 1)
  model.set_weights([weight * 1.5 + 0.01 for weight in model.get_weights()])
  fresh = TappedModel(model, **settings)
  for name, values in fresh.taps(random_images()).features.items():
    np.testing.assert_array_equal(tapped.taps(random_images()).features[name], values)
    assert not np.array_equal(before.features[name], values)
  np.testing.assert_array_equal(tapped.head[0], fresh.head[0])
  again = attack(random_images(), 1)
  assert not np.array_equal(attacked, again)
  np.testing.assert_array_equal(again, BIM(fresh, eps=4 / 256, steps=2)(random_images(), 1))


@pytest.mark.parametrize("pool", [L.AveragePooling2D, L.MaxPooling2D])
def test_attacks_in_a_loop_keep_no_graphs(pool):
  inputs = keras.Input(SHAPE)
  x = pool(2)(L.Conv2D(4, 3, activation="relu")(inputs))
  tapped = TappedModel(keras.Model(inputs, L.Dense(2)(body(x))))

  def graphs():
    gc.collect()
    return sum(isinstance(each, FuncGraph) for each in gc.get_objects())

  for _ in range(2):
    BIM(tapped, eps=1 / 256, steps=1)(random_images(2), 1)
  before = graphs()
  for number in range(4):
    BIM(tapped, eps=(number + 1) / 256, steps=1)(random_images(2), 1)
  assert graphs() == before


def test_layers_that_keras_cannot_run_are_refused_by_name(tmp_path):
  tiny().export(str(tmp_path / "saved"), verbose=False)
  inputs = keras.Input((8, 8, 3))
  layer = L.TFSMLayer(str(tmp_path / "saved"), call_endpoint="serve", name="theirs")
  with pytest.raises(InputError, match="'theirs', a TFSMLayer"):
    TappedModel(keras.Model(inputs, layer(L.Conv2D(3, 1, activation="relu")(inputs))))


def test_what_is_no_keras_model_is_refused():
  for given in ("mine.keras", None, TappedModel(tiny())):
    with pytest.raises(InputError, match="a functional or built Sequential Keras model"):
      TappedModel(given)
