"""Settings that users make in Keras, TensorFlow and NumPy."""

import json
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.errors import InputError
from hfc_tf.models import MODELS, training
from hfc_tf.surroundings import check_backend, default_settings


@pytest.fixture
def without_keras(monkeypatch, tmp_path):
  monkeypatch.delitem(sys.modules, "keras")
  monkeypatch.delenv("KERAS_BACKEND", raising=False)
  monkeypatch.setenv("KERAS_HOME", str(tmp_path))
  return tmp_path


def test_the_backend_of_the_environment_comes_first(without_keras, monkeypatch):
  check_backend()
  (without_keras / "keras.json").write_text(json.dumps({"backend": "torch"}))
  with pytest.raises(InputError, match="found torch; set KERAS_BACKEND=tensorflow"):
    check_backend()
  monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
  check_backend()
  monkeypatch.setenv("KERAS_BACKEND", "jax")
  with pytest.raises(InputError, match="found jax"):
    check_backend()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"floatx": "float64"}'])
def test_a_keras_json_without_a_backend(without_keras, content):
  (without_keras / "keras.json").write_text(content)
  check_backend()


def test_a_backend_that_is_imported_already(monkeypatch):
  check_backend()
  other = SimpleNamespace(config=SimpleNamespace(backend=lambda: "numpy"))
  monkeypatch.setitem(sys.modules, "keras", other)
  with pytest.raises(InputError, match="found numpy"):
    check_backend()


@pytest.fixture
def odd_settings():
  keras.config.set_image_data_format("channels_first")
  keras.config.set_floatx("float64")
  keras.config.set_dtype_policy("mixed_bfloat16")
  tf.config.run_functions_eagerly(True)
  tf.debugging.enable_check_numerics()
  with np.errstate(all="raise"):
    yield
  tf.debugging.disable_check_numerics()
  tf.config.run_functions_eagerly(False)
  keras.config.set_dtype_policy("float32")
  keras.config.set_floatx("float32")
  keras.config.set_image_data_format("channels_last")


def test_default_settings_and_back(odd_settings):
  with default_settings():
    assert keras.config.image_data_format() == "channels_last"
    assert keras.config.floatx() == keras.config.dtype_policy().name == "float32"
    assert not tf.config.functions_run_eagerly()
    assert np.exp(np.float32(-200)) == 0 and np.isneginf(tf.math.log(0.0))
  assert keras.config.image_data_format() == "channels_first"
  assert (keras.config.floatx(), keras.config.dtype_policy().name) == ("float64", "mixed_bfloat16")
  assert tf.config.functions_run_eagerly()
  with pytest.raises(FloatingPointError):
    np.exp(np.float32(-200))
  with pytest.raises(tf.errors.InvalidArgumentError):
    tf.math.log(0.0)


def test_settings_come_back_after_an_error(odd_settings):
  with pytest.raises(ZeroDivisionError), default_settings():
    raise ZeroDivisionError
  assert keras.config.floatx() == "float64" and tf.config.functions_run_eagerly()


def _trained():
  model = MODELS["small_resnet"]((16, 16, 1), 2, widths=(4, 8))
  rng = np.random.default_rng(0)
  images, labels = rng.random((32, 16, 16, 1), np.float32), np.arange(32) % 2
  history = training.train(model, images, labels, images, labels, epochs=1, batch_size=8)
  return model, history[0]["loss"]


def test_networks_are_the_same_whatever_the_settings(odd_settings):
  model, loss = _trained()
  assert {weight.dtype for weight in model.weights} == {"float32"}
  assert model.layers[1].data_format == "channels_last"
  with default_settings():
    assert loss == pytest.approx(_trained()[1], rel=1e-5)


@pytest.mark.parametrize("policy", ["float64", "mixed_bfloat16"])
def test_a_users_model_trains_in_its_own_precision(policy):
  layers, images = keras.layers, keras.Input((8, 8, 1), dtype="float32")
  maps = layers.Conv2D(4, 3, use_bias=False, dtype=policy)(images)
  maps = layers.ReLU(dtype=policy)(layers.BatchNormalization(dtype=policy)(maps))
  logits = layers.Dense(2, dtype=policy)(layers.GlobalAveragePooling2D(dtype=policy)(maps))
  rng = np.random.default_rng(0)
  pixels, labels = rng.random((32, 8, 8, 1), np.float32), np.arange(32) % 2
  model = keras.Model(images, logits)
  before = [np.array(weight) for weight in model.trainable_weights]
  training.train(model, pixels, labels, pixels, labels, epochs=1, batch_size=8)
  for weight, old in zip(model.trainable_weights, before, strict=True):
    assert np.isfinite(np.array(weight)).all() and np.abs(np.array(weight) - old).max() > 0
