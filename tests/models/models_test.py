"""The networks: their taps, shapes, seeds and rank."""

import keras
import numpy as np
import pytest

from hfc_tf.errors import InputError
from hfc_tf.models import MODELS
from hfc_tf.models.resnet18 import small_resnet


def relus(model):
  names = [layer.name for layer in model.layers]
  is_relu = [
    isinstance(layer, keras.layers.ReLU)
    or getattr(getattr(layer, "activation", None), "__name__", "") == "relu"
    for layer in model.layers
  ]
  return [name for name, yes in zip(names, is_relu, strict=True) if yes]


def small(name, seed=0, shape=(32, 32, 3), classes=2, **kwargs):
  if name == "vgg16":
    kwargs = {"units": 8, **kwargs}
  return MODELS[name](shape, classes, seed, **kwargs)


@pytest.mark.parametrize(
  ("name", "taps", "convolutions"),
  [("resnet50", 49, 53), ("vgg16", 15, 13), ("small_resnet", 17, 20)],
)
def test_graph(name, taps, convolutions):
  model = small(name, classes=3)
  assert len(relus(model)) == taps
  assert sum(isinstance(layer, keras.layers.Conv2D) for layer in model.layers) == convolutions
  assert model.layers[-1].name == "logits"
  assert model.layers[-1].activation is keras.activations.linear
  assert model.output_shape == (None, 3)


@pytest.mark.parametrize("name", ["small_resnet", "vgg16"])
def test_seed_decides_every_weight_and_global_seeds_do_not(name):
  keras.utils.set_random_seed(1)
  first = small(name, seed=3).get_weights()
  keras.utils.set_random_seed(2)
  again = small(name, seed=3).get_weights()
  other = small(name, seed=4).get_weights()
  assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
  kernels = [(a, b) for a, b in zip(first, other, strict=True) if a.ndim > 1]
  assert not any(np.array_equal(a, b) for a, b in kernels)
  assert len({a.tobytes()[:64] for a, _ in kernels}) == len(kernels)  # no draw used twice


def test_vgg16_signal_does_not_fade():
  model = small("vgg16", seed=0, units=64)
  images = np.random.default_rng(0).random((4, 32, 32, 3), np.float32)
  body = keras.Model(model.inputs, [model.get_layer(n).output for n in ("block1_conv1", "fc2")])
  first, last = (np.std(maps) for maps in body([images]))
  assert 0.2 < last / first < 5


def test_vgg16_fc1_adapts_to_the_size():
  assert small("vgg16", shape=(64, 32, 1)).get_layer("fc1").kernel.shape == (2 * 512, 8)


def test_small_resnet_is_three_dimensional_too():
  model = small_resnet((8, 16, 16, 1), 2, widths=(4, 8))
  assert model(np.zeros((2, 8, 16, 16, 1), np.float32)).shape == (2, 2)
  assert len(relus(model)) == 9


@pytest.mark.parametrize(
  ("name", "shape"),
  [("resnet50", (31, 64, 3)), ("vgg16", (8, 64, 64, 1)), ("small_resnet", (64, 64))],
)
def test_unfit_shape_is_one_line(name, shape):
  with pytest.raises(InputError, match=rf"expected .*{name}; found \({shape[0]}, ") as error:
    MODELS[name](shape, 2)
  assert "\n" not in str(error.value)
