"""Weights from files: what fits is copied, what does not is named."""

import zipfile

import h5py
import keras
import numpy as np
import pytest

from hfc_tf.errors import InputError
from hfc_tf.models import MODELS
from hfc_tf.models.applications import caffe_to_unit_range
from hfc_tf.models.resnet18 import small_resnet

SHAPE = (16, 16, 1)


def build(seed=0, classes=2, weights=None, widths=(4, 8)):
  return small_resnet(SHAPE, classes, seed, weights, widths)


def save(model, path):
  (model.save if path.suffix == ".keras" else model.save_weights)(path)
  return str(path)


@pytest.mark.parametrize("name", ["a.keras", "a.weights.h5"])
def test_body_comes_from_the_file_and_the_head_from_the_seed(tmp_path, name):
  source, fresh = build(seed=5, classes=3), build(seed=0)
  source.get_layer("stem_bn").moving_mean.assign(np.arange(4.0))
  loaded = build(seed=0, weights=save(source, tmp_path / name))
  for layer in loaded.layers:
    origin = fresh if layer.name == "logits" else source
    for got, wanted in zip(
      layer.get_weights(), origin.get_layer(layer.name).get_weights(), strict=True
    ):
      np.testing.assert_array_equal(got, wanted)


def test_convolutions_alone_in_half_precision_are_a_start_of_vgg16(tmp_path, caplog):
  source = MODELS["vgg16"]((32, 32, 3), 3, seed=5, units=8)
  body = keras.Model(source.input, source.get_layer("block5_pool").output)
  body.set_weights([values.astype(np.float16) for values in body.get_weights()])
  body.save_weights(tmp_path / "a.weights.h5")
  _in_half_precision(tmp_path / "a.weights.h5")
  path, fresh = str(tmp_path / "a.weights.h5"), MODELS["vgg16"]((64, 64, 3), 2, units=8)
  caplog.set_level("INFO", "absl")
  loaded = MODELS["vgg16"]((64, 64, 3), 2, weights=path, units=8)
  for layer in loaded.layers:
    origin = source if layer.name.startswith("block") else fresh
    for got, wanted in zip(
      layer.get_weights(), origin.get_layer(layer.name).get_weights(), strict=True
    ):
      assert got.dtype == np.float32
      np.testing.assert_array_equal(got, wanted)
  assert f"13 of 16 layers start from {path}; drawn: fc1, fc2, logits" in caplog.text


def _in_half_precision(path):
  with h5py.File(path, "a") as file:
    names = []
    file.visititems(lambda name, item: names.append(name) if hasattr(item, "dtype") else None)
    for name in names:
      values = file[name][()].astype(np.float16)
      del file[name]
      file[name] = values


def test_first_mismatch_is_named(tmp_path):
  path = save(build(widths=(4, 6)), tmp_path / "a.keras")
  with pytest.raises(InputError, match=r"stage2_block1_1_conv .*4, 8.*found shapes .*4, 6"):
    build(weights=path)


def test_missing_layer_is_named(tmp_path):
  path = save(build(widths=(4,)), tmp_path / "a.weights.h5")
  with pytest.raises(InputError, match=r"stage2_block1_1_conv .*no layer of that name"):
    build(weights=path)


def truncated(path):
  whole = build()
  whole.save(path)
  path.write_bytes(path.read_bytes()[:2000])


def empty_zip(path):
  zipfile.ZipFile(path, "w").close()


@pytest.mark.parametrize(
  ("name", "write"),
  [
    ("absent.keras", lambda path: None),
    ("absent.weights.h5", lambda path: None),
    ("text.keras", lambda path: path.write_text("hello")),
    ("text.weights.h5", lambda path: path.write_text("hello")),
    ("short.keras", truncated),
    ("none.keras", empty_zip),
    ("old.h5", lambda path: path.write_text("hello")),
    ("folder.weights.h5", lambda path: path.mkdir()),
  ],
)
def test_unreadable_file_is_one_line(tmp_path, name, write):
  write(tmp_path / name)
  with pytest.raises(InputError, match=name) as error:
    build(weights=str(tmp_path / name))
  assert "\n" not in str(error.value)


def test_damaged_bytes_are_noticed(tmp_path):
  path = tmp_path / "a.keras"
  build().save(path)
  content = bytearray(path.read_bytes())
  content[content.index(b"model.weights.h5") + 9000] ^= 1
  path.write_bytes(content)
  with pytest.raises(InputError, match="CRC"):
    build(weights=str(path))


def test_links_to_other_files_are_not_followed(tmp_path):
  secret = save(build(seed=1), tmp_path / "secret.weights.h5")
  path = tmp_path / "a.weights.h5"
  build().save_weights(path)
  with h5py.File(path, "a") as file:
    group = file["layers/conv2d/vars"]
    del group["0"]
    group["0"] = h5py.ExternalLink(secret, "/layers/conv2d/vars/0")
  with pytest.raises(InputError, match="stem_conv"):
    build(weights=str(path))


def test_caffe_preprocessing_is_folded_into_the_first_convolution():
  rng = np.random.default_rng(0)
  kernel = rng.normal(size=(3, 3, 3, 5)).astype(np.float32)
  bias = rng.normal(size=5).astype(np.float32)
  image = rng.random((2, 8, 8, 3), np.float32)
  theirs = keras.applications.vgg16.preprocess_input(255 * image)
  unit_kernel, unit_bias = caffe_to_unit_range(kernel, bias)
  np.testing.assert_allclose(
    keras.ops.conv(image, unit_kernel) + unit_bias,
    keras.ops.conv(theirs, kernel) + bias,
    rtol=1e-4,
    atol=0.01,
  )


def test_imagenet_without_a_network_is_one_line(monkeypatch):
  def get_file(*args, **kwargs):
    raise Exception("URL fetch failure")

  monkeypatch.setattr(keras.src.applications.vgg16.file_utils, "get_file", get_file)
  with pytest.raises(InputError, match=r"found URL fetch failure; connect to the network"):
    MODELS["vgg16"]((32, 32, 3), 2, weights="imagenet", units=8)


def test_imagenet_weights_reach_the_model(monkeypatch, tmp_path):
  """A stand-in for the download: the same file format with other numbers."""
  stand_in = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
  stand_in.save_weights(tmp_path / "stand_in.weights.h5")
  monkeypatch.setattr(
    keras.src.applications.vgg16.file_utils,
    "get_file",
    lambda *args, **kwargs: str(tmp_path / "stand_in.weights.h5"),
  )
  model = MODELS["vgg16"]((32, 32, 3), 2, weights="imagenet", units=8)
  image = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
  theirs = stand_in.get_layer("block1_conv1")(
    keras.applications.vgg16.preprocess_input(255 * image)
  )
  ours = model.get_layer("block1_conv1")(image)
  inner = (slice(None), slice(1, -1), slice(1, -1))
  np.testing.assert_allclose(ours[inner], theirs[inner], rtol=1e-3, atol=0.01)
  np.testing.assert_array_equal(
    model.get_layer("block5_conv3").kernel, stand_in.get_layer("block5_conv3").kernel
  )


def test_fully_connected_layers_of_another_size_keep_their_draw(tmp_path):
  other = MODELS["vgg16"]((64, 64, 3), 2, seed=1, units=8)
  path = save(other, tmp_path / "a.weights.h5")
  fresh = MODELS["vgg16"]((32, 32, 3), 2, units=8)
  model = MODELS["vgg16"]((32, 32, 3), 2, units=8, weights=path)
  for name, origin in (("block1_conv1", other), ("fc1", fresh), ("fc2", other)):
    np.testing.assert_array_equal(
      model.get_layer(name).kernel, origin.get_layer(name).kernel, err_msg=name
    )


@pytest.mark.parametrize(("name", "channels"), [("small_resnet", 3), ("vgg16", 1)])
def test_imagenet_where_it_does_not_fit(name, channels):
  with pytest.raises(InputError, match=rf"found {name} on {channels} channel"):
    MODELS[name]((32, 32, channels), 2, weights="imagenet")
