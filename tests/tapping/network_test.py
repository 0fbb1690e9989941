"""Whatever users' models are made of, the taps give the probabilities that the model gives."""

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from hfc_tf.attacks import BIM
from hfc_tf.errors import InputError
from hfc_tf.fast import forms
from hfc_tf.taps import TappedModel
from tests.networks import tiny

L = keras.layers
_SHAPE = (16, 16, 3)


def _images(count=6, shape=_SHAPE):
  return np.random.default_rng(1).random((count, *shape), np.float32)


def _body(inputs, width=8):
  return L.GlobalAveragePooling2D()(L.Conv2D(width, 3, activation="relu")(inputs))


def _classifier(tail, seed=0):
  """A functional classifier; `tail` makes the output of the pooled features."""
  keras.utils.set_random_seed(seed)
  inputs = keras.Input(_SHAPE)
  return keras.Model(inputs, tail(_body(inputs)))


def _agree(model, images=None, atol=1e-4, **settings):
  """Asserts that output, gradient and head are the model's; returns taps and tapped model."""
  images = _images() if images is None else images
  tapped = TappedModel(model, **settings)
  taps = tapped.taps(images, batch_size=4)
  given = keras.tree.flatten(model.predict(images, verbose=0))[0].astype(np.float64)
  rows = taps.logits if given.shape[1] > 1 else taps.logits[:, 1:]
  error = {
    form: np.abs(form(tf.constant(rows, tf.float64)).numpy() - given).max()
    for form in (tf.identity, tf.sigmoid if given.shape[1] == 1 else tf.nn.softmax)
  }
  assert min(error.values()) < atol
  if atol == 1e-4 and images.dtype == np.float32 and not settings:
    form = min(error, key=error.get)
    ours = _gradient(lambda x: form(tapped(x)[0][:, -given.shape[1] :]), images)
    theirs = _gradient(lambda x: keras.tree.flatten(model(x))[0], images)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * np.abs(theirs).max())
  if taps.head is not None:
    kernel, bias = taps.head
    linear = taps.features[taps.penultimate] @ kernel + bias
    np.testing.assert_allclose(linear, taps.logits, atol=atol * max(1, np.abs(linear).max()))
  return taps, tapped


def _gradient(function, images):
  inputs = tf.constant(images)
  with tf.GradientTape() as tape:
    tape.watch(inputs)
    outputs = function(inputs)[:, -1]
  return tape.gradient(outputs, inputs).numpy()


class _Cosine(L.Dense):
  """A Dense layer whose call is not affine."""

  def call(self, inputs, training=None):
    kernel = keras.ops.normalize(self.kernel, 0)
    return 10 * keras.ops.matmul(keras.ops.normalize(inputs, -1), kernel)


class _Scores(L.Layer):
  """A head of one's own that holds its activation."""

  def __init__(self, units):
    super().__init__()
    self.units, self.activation = units, keras.activations.softmax

  def build(self, shape):
    self.w = self.add_weight(shape=(shape[-1], self.units))

  def call(self, inputs):
    return self.activation(keras.ops.matmul(inputs, self.w))


def _by_hand(features):
  powers = keras.ops.exp(L.Dense(3)(features))
  return powers / keras.ops.sum(powers, axis=-1, keepdims=True)


_TAILS = {
  "logits": lambda h: L.Dense(3)(h),
  "softmax": lambda h: L.Dense(3, "softmax")(h),
  "softmax, then float32": lambda h: L.Activation("linear", dtype="float32")(
    L.Dense(3, "softmax")(h)
  ),
  "softmax, then identity": lambda h: L.Identity()(L.Softmax()(L.Dense(3)(h))),
  "softmax by hand": _by_hand,
  "log softmax": lambda h: keras.ops.log_softmax(L.Dense(3)(h)),
  "temperature": lambda h: L.Softmax()(L.Dense(3)(h) / 2.5),
  "clipped": lambda h: keras.ops.clip(L.Dense(3, "softmax")(h), 1e-7, 1.0),
  "sigmoid unit": lambda h: L.Dense(1, "sigmoid")(h),
  "sigmoid unit, reshaped": lambda h: L.Reshape((1,))(L.Dense(1, "sigmoid")(h)),
  "mean of twice the same": lambda h: (lambda z: L.Average()([z, z]))(L.Dense(1, "sigmoid")(h)),
  "logit unit": lambda h: L.Dense(1)(h),
  "cosine": lambda h: _Cosine(2, use_bias=False)(h),
  "einsum": lambda h: L.EinsumDense("ab,bc->ac", output_shape=3, activation="softmax")(h),
  "own layer": lambda h: _Scores(3)(h),
}


@pytest.mark.parametrize("name", _TAILS)
def test_logits_are_found_behind_every_tail(name):
  taps, tapped = _agree(_classifier(_TAILS[name]))
  assert tapped.num_classes == (2 if "unit" in name or name in ("cosine", _MEAN) else 3)
  assert next(iter(taps.features)).startswith("conv2d")
  if name == "temperature":  # the head is the map from features to what softmax sees
    assert taps.penultimate.startswith("conv2d")


_MEAN = "mean of twice the same"


def test_a_mean_of_two_softmax_heads_has_no_logits_and_is_refused():
  model = _classifier(lambda h: L.Average()([L.Dense(3, "softmax")(h), L.Dense(3, "softmax")(h)]))
  with pytest.raises(InputError, match="softmax that could not be unwrapped"):
    TappedModel(model)


def test_other_probabilities_than_the_models_are_refused_with_both(monkeypatch):
  monkeypatch.setattr(forms, "_fold", lambda layer, norm: (3 * layer.kernel.numpy(), np.zeros(8)))
  with pytest.raises(InputError, match=r"probabilities of .*\[0\.\d{4} .*found \[0\.\d{4} "):
    TappedModel(_classifier(_TAILS["softmax"]), fold=True)


@pytest.mark.parametrize("outputs", [lambda o: [o], lambda o: {"probabilities": o}])
def test_outputs_in_lists_and_dictionaries_are_taken_as_they_are(outputs):
  inputs = keras.Input(_SHAPE)
  taps, _ = _agree(keras.Model([inputs], outputs(L.Dense(3, "softmax")(_body(inputs)))))
  assert taps.logits.shape == (6, 3)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", ["int8", "int4", "float8"])
def test_quantised_layers_are_run_by_keras(mode):
  model = _classifier(lambda h: L.Dense(2)(L.Dense(16, "relu")(h)))
  model.quantize(mode)
  _, tapped = _agree(model, atol=0.01)
  adversarials = BIM(tapped, eps=4 / 256, steps=3)(_images(), 1)
  assert np.mean(adversarials != _images()) > 0.9


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_with_a_cast_at_the_end(policy):
  keras.config.set_dtype_policy(policy)
  try:
    model = _classifier(lambda h: L.Activation("linear", dtype="float32")(L.Dense(3, "softmax")(h)))
  finally:
    keras.config.set_dtype_policy("float32")
  taps, _ = _agree(model, atol=0.01)
  assert taps.logits.dtype == np.float32


def test_one_activation_layer_shared_by_a_gate_and_the_head():
  relu = L.ReLU(name="shared")

  def tail(h):
    gate = relu(L.Dense(8)(h))
    return L.Dense(3)(relu(L.Dense(8)(h * gate)))

  taps, _ = _agree(_classifier(tail))
  assert list(taps.features)[1:] == ["shared", "shared:2"] and taps.penultimate == "shared:2"


@pytest.mark.parametrize("first, second", [(L.Dense(4), L.Dense(1, "sigmoid")),
                                           (L.Dense(1, "sigmoid"), L.Dense(3, "softmax")),
                                           (L.Dense(2), L.Dense(2))])  # fmt: skip
def test_the_output_that_is_used_of_a_nested_model_has_its_own_head(first, second):
  first, second = (type(each).from_config(each.get_config()) for each in (first, second))
  inputs = keras.Input(_SHAPE)
  h = _body(inputs)
  inner = keras.Model(inputs, [first(h), second(h)])
  outer = keras.Input(_SHAPE)
  taps, _ = _agree(keras.Model(outer, inner(outer)[1]))
  np.testing.assert_array_equal(taps.head[0][:, -second.units :], second.kernel.numpy())


def test_nested_models_called_by_names_and_layers_called_by_keywords():
  a, b = keras.Input((16, 16, 4), name="z"), keras.Input((16, 16, 4), name="a")
  inner = keras.Model([a, b], L.ReLU()(a - 3 * b))
  inputs = keras.Input(_SHAPE)
  u, v = L.Conv2D(4, 3, padding="same")(inputs=inputs), L.Conv2D(4, 1)(inputs)
  x = L.GlobalAveragePooling2D()(inner({"z": u, "a": v}))
  taps, _ = _agree(keras.Model(inputs, L.Dense(2)(x)))
  assert len(taps.features) == 1


def test_a_sequential_model_with_its_own_call_is_followed():
  class Halved(keras.Sequential):
    def call(self, inputs, training=None, mask=None):
      return super().call(inputs * 0.5, training=training)

  layers = [L.Conv2D(4, 3, activation="relu"), L.GlobalAveragePooling2D(), L.Dense(2)]
  _agree(Halved([keras.Input(_SHAPE), *layers]))


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
  inputs = keras.Input(_SHAPE)
  block, x = _Block(kind, name="block"), L.Conv2D(4, 3, activation="relu")(inputs)
  block.build((None, 14, 14, 4))
  if kind == "tuple":
    x = L.Lambda(lambda maps: block(maps)[0], output_shape=(12, 12, 5))(x)
  else:
    x = block(x)
  taps, _ = _agree(keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling2D()(x))))
  shown = len(taps.features) - (taps.penultimate == "penultimate")
  assert shown == (1 if kind in ("loop", "tuple") else 2)
  assert ("those inside block cannot be tapped" in caplog.text) == (kind == "loop")
  assert "call" not in vars(block.relu) and block.function is keras.activations.relu


def test_integer_images_give_what_the_model_gives():
  keras.utils.set_random_seed(0)
  inputs = keras.Input(_SHAPE, dtype="uint8")
  model = keras.Model(inputs, L.Dense(2)(_body(L.Rescaling(1 / 255)(inputs))))
  images = np.random.default_rng(0).integers(0, 256, (4, *_SHAPE)).astype(np.uint8)
  _, tapped = _agree(model, images, bounds=(0, 255))
  assert tapped.highest == 255


def _rescaled(layer):
  inputs = keras.Input(_SHAPE)
  return keras.Model(inputs, L.Dense(2)(_body(layer(inputs))))


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
  norm.adapt(_images(32) * 3 + 5)
  model = _rescaled(norm)
  taps, _ = _agree(model, precision="bfloat16", atol=0.05)
  exact = TappedModel(model).taps(_images())
  first = next(iter(exact.features))
  np.testing.assert_allclose(taps.features[first], exact.features[first], rtol=0.02, atol=0.02)


def test_the_preprocessor_of_the_model_is_part_of_it():
  class Task(keras.Model):
    """As KerasHub's classifiers: `predict` preprocesses, `call` does not."""

    preprocessor = staticmethod(lambda images: images / 255.0)

    def predict(self, images, **settings):
      return super().predict(self.preprocessor(images), **settings)

  inputs = keras.Input(_SHAPE)
  model = Task(inputs=inputs, outputs=L.Dense(2)(_body(inputs)))
  _, tapped = _agree(model, _images() * 255, bounds=(0, 255))
  assert tapped.highest == 255


def test_a_layer_called_penultimate_keeps_its_name():
  model = _classifier(
    lambda h: L.Dense(2)(L.LayerNormalization()(L.Dense(6, "relu", name="penultimate")(h)))
  )
  taps, _ = _agree(model)
  inner = keras.Model(model.input, model.get_layer("penultimate").output)
  np.testing.assert_allclose(
    taps.features["penultimate"], inner.predict(_images(), verbose=0), atol=1e-5
  )
  assert taps.penultimate == "penultimate:2"


@pytest.mark.parametrize("settings", [{"fold": True}, {"fold": False}, {"precision": "bfloat16"}])
def test_weights_that_change_are_taken_over_as_a_whole(settings):
  model = tiny(_SHAPE)
  tapped = TappedModel(model, **settings)
  attack = BIM(tapped, eps=4 / 256, steps=2)
  before, attacked = tapped.taps(_images()), attack(_images(), 1)
  model.set_weights([weight * 1.5 + 0.01 for weight in model.get_weights()])
  fresh = TappedModel(model, **settings)
  for name, values in fresh.taps(_images()).features.items():
    np.testing.assert_array_equal(tapped.taps(_images()).features[name], values)
    assert not np.array_equal(before.features[name], values)
  np.testing.assert_array_equal(tapped.head[0], fresh.head[0])
  again = attack(_images(), 1)
  assert not np.array_equal(attacked, again)
  np.testing.assert_array_equal(again, BIM(fresh, eps=4 / 256, steps=2)(_images(), 1))


@pytest.mark.parametrize("pool", [L.AveragePooling2D, L.MaxPooling2D])
def test_attacks_in_a_loop_keep_no_graphs(pool):
  inputs = keras.Input(_SHAPE)
  x = pool(2)(L.Conv2D(4, 3, activation="relu")(inputs))
  tapped = TappedModel(keras.Model(inputs, L.Dense(2)(_body(x))))

  def graphs():
    gc.collect()
    return sum(isinstance(each, FuncGraph) for each in gc.get_objects())

  for _ in range(2):
    BIM(tapped, eps=1 / 256, steps=1)(_images(2), 1)
  before = graphs()
  for number in range(4):
    BIM(tapped, eps=(number + 1) / 256, steps=1)(_images(2), 1)
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
