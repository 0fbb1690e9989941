"""The networks of keras.applications: names, preparation, ImageNet's weights, seeds."""

import keras
import numpy as np
import pytest

from hfc_tf.errors import InputError
from hfc_tf.models import APPLICATIONS, MODELS
from hfc_tf.models.applications import _prepared
from hfc_tf.taps import TappedModel

SHAPE = (32, 32, 3)


def pixels(count=2):
  return np.random.default_rng(0).random((count, *SHAPE), np.float32)


def test_every_network_of_keras_has_its_name():
  constructors = {name for name in dir(keras.applications) if name[0].isupper()}
  assert set(APPLICATIONS.values()) == constructors
  assert all(name == constructor.lower() for name, constructor in APPLICATIONS.items())


@pytest.mark.parametrize(
  ("name", "module"),
  [
    ("ConvNeXtTiny", "convnext"),
    ("DenseNet121", "densenet"),
    ("EfficientNetB0", "efficientnet"),
    ("EfficientNetV2S", "efficientnet_v2"),
    ("InceptionResNetV2", "inception_resnet_v2"),
    ("InceptionV3", "inception_v3"),
    ("MobileNet", "mobilenet"),
    ("MobileNetV2", "mobilenet_v2"),
    ("MobileNetV3Small", "mobilenet_v3"),
    ("NASNetMobile", "nasnet"),
    ("ResNet50V2", "resnet_v2"),
    ("Xception", "xception"),
  ],
)
def test_the_first_layer_is_preprocess_input(name, module):
  images = keras.Input(SHAPE)
  prepared = keras.Model(images, _prepared(name, images))
  theirs = getattr(keras.applications, module).preprocess_input(255 * pixels())
  np.testing.assert_allclose(prepared(pixels()), theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
  ("name", "module"),
  [("EfficientNetB0", "efficientnet"), ("ConvNeXtTiny", "convnext")],
)
def test_imagenet_weights_give_the_features_that_keras_gives(name, module, monkeypatch, tmp_path):
  """A stand-in for the download: the same file format with other numbers."""
  constructor = getattr(keras.applications, name)
  rng, stand_in = np.random.default_rng(1), constructor(include_top=False, weights=None)
  for weight in stand_in.weights:
    if len(weight.shape) == 1 and weight.name in ("mean", "moving_mean", "beta"):
      weight.assign(rng.normal(size=weight.shape) / 8)
    elif len(weight.shape) == 1 and "variance" in weight.name:
      weight.assign(rng.uniform(0.5, 2, weight.shape))
  path = str(tmp_path / "stand_in.weights.h5")
  stand_in.save_weights(path)
  monkeypatch.setattr(
    getattr(keras.src.applications, module).file_utils, "get_file", lambda *_, **__: path
  )
  source = constructor(include_top=False, weights="imagenet", input_shape=SHAPE, pooling="avg")
  wanted = source(getattr(keras.applications, module).preprocess_input(255 * pixels()))
  model = MODELS[name.lower()](SHAPE, 2, weights="imagenet")
  actual = keras.Model(model.input, model.layers[-2].output)(pixels())
  assert np.std(wanted) > 0
  np.testing.assert_allclose(actual, wanted, rtol=1e-3, atol=1e-4 * float(np.max(np.abs(wanted))))


def test_names_draws_and_dropout_do_not_depend_on_what_was_built_before(tmp_path):
  first, again = (MODELS["efficientnetb0"](SHAPE, 2, seed=3) for _ in range(2))
  assert [layer.name for layer in first.layers] == [layer.name for layer in again.layers]
  for one, other in zip(first.variables, again.variables, strict=True):  # dropout's seeds as well
    np.testing.assert_array_equal(one, other)
  depthwise = first.get_layer("block6d_dwconv").kernel
  assert np.std(depthwise) == pytest.approx(np.sqrt(2 / 25), rel=0.05)
  for weight in first.weights:
    weight.assign(weight + 0.5)
  first.save(tmp_path / "a.keras")
  loaded = MODELS["efficientnetb0"](SHAPE, 2, seed=4, weights=str(tmp_path / "a.keras"))
  body = [keras.Model(model.input, model.layers[-2].output) for model in (first, loaded)]
  np.testing.assert_array_equal(*(model(pixels()) for model in body))


def test_a_network_is_tapped():
  model = MODELS["mobilenetv2"](SHAPE, 3)
  tapped = TappedModel(model)
  np.testing.assert_allclose(tapped.taps(pixels()).logits, model(pixels()), rtol=1e-3, atol=1e-4)
  assert len(tapped.layers) == 35


@pytest.mark.parametrize(
  ("name", "shape", "line"),
  [
    ("inceptionv3", (64, 64, 3), "at least 75x75, for inceptionv3; found \\(64, 64, 3\\)"),
    ("densenet121", (64, 64, 1), "\\(H, W, 3\\), .* for densenet121"),
    ("resnet101", (8, 64, 64, 3), "H and W at least 32"),
  ],
)
def test_unfit_shapes_are_one_line(name, shape, line):
  with pytest.raises(InputError, match=line):
    MODELS[name](shape, 2)
