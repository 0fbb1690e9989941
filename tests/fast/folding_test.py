import keras
import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.errors import InputError
from hfc_tf.tapping.models import with_bfloat16_body
from hfc_tf.taps import TappedModel
from tests.networks import tiny

layers = keras.layers


def _normalised(x, **settings):
  """BatchNormalization with statistics that are not those of a fresh layer."""
  return layers.BatchNormalization(
    beta_initializer="random_normal",
    gamma_initializer="random_uniform",
    moving_mean_initializer="random_normal",
    moving_variance_initializer=keras.initializers.RandomUniform(0.5, 2.0),
    **settings,
  )(x)


def _residual(shape=(12, 12, 3)):
  """Strides, groups, no bias, a shortcut, a built-in activation, a depthwise layer in between."""
  keras.utils.set_random_seed(0)
  inputs = keras.Input(shape)
  stem = layers.Conv2D(8, 3, strides=2, bias_initializer="random_normal")(inputs)
  stem = layers.ReLU()(_normalised(stem))
  x = layers.Conv2D(8, 3, padding="same", groups=2, use_bias=False)(stem)
  x = layers.ReLU()(_normalised(x, scale=False))
  x = layers.ReLU()(_normalised(layers.DepthwiseConv2D(3, padding="same")(x)))
  x = layers.Conv2D(8, 3, padding="same", dilation_rate=2)(x)
  x = layers.ReLU()(layers.Add()([_normalised(x, center=False), stem]))
  x = layers.Conv2D(6, 1, activation="relu")(x)
  x = _normalised(x)
  return keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))


def _nested():
  inner = _residual()
  feature = keras.Model(inner.inputs, inner.layers[-2].output)
  inputs = keras.Input((12, 12, 3))
  return keras.Model(inputs, layers.Dense(2)(feature(inputs)))


def _cut_behind_a_convolution():
  """A convolution whose normalisation belongs to another model than the one that runs."""
  whole = _residual()
  convolution = whole.layers[1]
  assert isinstance(convolution, layers.Conv2D)
  stem = keras.Model(whole.inputs, convolution.output)
  inputs = keras.Input((12, 12, 3))
  x = layers.ReLU()(stem(inputs))
  return keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))


def _read_twice():
  """A convolution that is read beside its normalisation."""
  inputs = keras.Input((8, 8, 3))
  convolved = layers.Conv2D(4, 3)(inputs)
  x = layers.ReLU()(layers.Add()([_normalised(convolved), convolved]))
  return keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))


def _pooled():
  inputs = keras.Input((11, 12, 3))
  x = layers.ReLU()(layers.Conv2D(4, 3)(inputs))
  x = layers.ReLU()(layers.Conv2D(4, 3)(layers.MaxPooling2D(3, 2, "same")(x)))
  return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(layers.MaxPooling2D((2, 1))(x))))


_MODELS = {
  "pooled": _pooled,
  "residual": _residual,
  "nested": _nested,
  "cut": _cut_behind_a_convolution,
  "twice": _read_twice,
  "volume": lambda: tiny((6, 8, 8, 1)),
}


def _images(model, count=3):
  return np.random.default_rng(0).uniform(size=(count, *model.input_shape[1:])).astype(np.float32)


@pytest.mark.parametrize("name", _MODELS)
def test_folding_changes_neither_outputs_nor_gradients(name):
  model = _MODELS[name]()
  images = tf.constant(_images(model))
  results = {}
  for fold in (False, True):
    tapped = TappedModel(model, fold=fold)

    @tf.function(autograph=False)
    def run(tapped=tapped):
      with tf.GradientTape() as tape:
        tape.watch(images)
        logits, features = tapped(images)
        loss = tf.reduce_sum(logits[:, 0]) + tf.add_n(
          [tf.reduce_sum(values**2) for values in features.values()]
        )
      return logits, features, tape.gradient(loss, images)

    results[fold] = run()
  tf.nest.map_structure(
    lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5),
    results[False],
    results[True],
  )
  assert list(results[False][1]) == list(results[True][1])


def _operations(graph):
  """All operations of a graph and of the functions that it calls."""
  definition = graph.as_graph_def()
  bodies = [definition.node, *(function.node_def for function in definition.library.function)]
  return [node for nodes in bodies for node in nodes]


def test_every_normalised_convolution_is_folded():
  tapped = TappedModel(_residual(), fold=True)
  graph = tf.function(tapped.__call__).get_concrete_function(tf.TensorSpec((1, 12, 12, 3))).graph
  kinds = [operation.op for operation in _operations(graph)]
  # What is left: the one behind the depthwise layer, and the one behind an activation.
  assert kinds.count("Rsqrt") == 2


def test_compiled_graphs_share_the_folded_weights():
  tapped = TappedModel(tiny(), fold=True)
  captured = []
  for _ in range(2):
    graph = tf.function(tapped.__call__).get_concrete_function(tf.TensorSpec((1, 8, 8, 3))).graph
    captured.append({id(outer) for outer, _ in graph.captures})
  assert captured[0] and captured[0] == captured[1]


def test_no_gradient_of_a_mean_is_written_out_over_a_map():
  tapped = TappedModel(tiny(), fold=True)

  @tf.function
  def gradient(images):
    with tf.GradientTape() as tape:
      tape.watch(images)
      _, features = tapped._run(images)  # the body of the function that `tapped` calls
      loss = tf.add_n([tf.reduce_sum(mean**2) for mean in features.values()])
    return tape.gradient(loss, images)

  graph = gradient.get_concrete_function(tf.TensorSpec((1, 8, 8, 3))).graph
  maps = [op.type for op in graph.get_operations() if op.outputs and op.outputs[0].shape.rank == 4]
  assert "ReluGrad" in maps and not {"BroadcastTo", "Tile", "AddN"} & set(maps)


def test_the_users_model_stays_as_it_is():
  model = tiny()
  before = [np.array(weight) for weight in model.get_weights()]
  config = model.get_config()
  tapped = TappedModel(model, precision="bfloat16", fold=True)
  tapped.taps(_images(model))
  assert model.get_config() == config
  assert all(layer.compute_dtype == "float32" for layer in model.layers)
  np.testing.assert_equal(model.get_weights(), before)


def test_bfloat16_begins_behind_the_first_layer():
  model = _residual()
  copied = with_bfloat16_body(model)
  first = next(layer for layer in copied.layers if isinstance(layer, layers.Conv2D))
  assert first.compute_dtype == "float32"
  behind = copied.layers[copied.layers.index(first) + 1 :]
  assert {layer.compute_dtype for layer in behind} == {"bfloat16"}
  assert {layer.variable_dtype for layer in copied.layers} == {"float32"}


@pytest.mark.parametrize("fold", [False, True])
def test_bfloat16_is_near_and_sees_a_small_perturbation(fold):
  model = _residual()
  images = _images(model, 8)
  exact = TappedModel(model, fold=fold)
  rounded = exact.variant(precision="bfloat16", fold=fold)
  one, other = exact.taps(images), rounded.taps(images)
  np.testing.assert_allclose(other.logits, one.logits, rtol=0.05, atol=0.03)
  for name, values in one.features.items():
    assert other.features[name].dtype == np.float32
    np.testing.assert_allclose(other.features[name], values, rtol=0.03, atol=0.03)
  # The first layer sees what a cast of the image would have rounded away.
  near = np.clip(images + 0.02 / 256, 0, 1)
  first = next(iter(one.features))
  assert not np.array_equal(rounded.taps(near).features[first], other.features[first])


def test_a_layer_that_cannot_be_copied_is_named():
  class Odd(layers.Layer):
    def __init__(self, need):
      super().__init__()
      self.need = need

    def call(self, inputs):
      return inputs

    def get_config(self):
      return {"name": self.name}

  inputs = keras.Input((8, 8, 3))
  x = layers.ReLU()(Odd(1)(layers.Conv2D(4, 3)(inputs)))
  model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)), name="strange")
  with pytest.raises(InputError, match="strange"):
    TappedModel(model, precision="bfloat16")


def test_an_unknown_precision_is_refused():
  with pytest.raises(InputError, match="bfloat16"):
    TappedModel(tiny(), precision="float16")
