"""The attacked classifier and what it wants of images."""

import functools
import zipfile

import h5py
import keras
import numpy as np
import pytest

from hfc_tf import models
from hfc_tf.data import splits
from hfc_tf.distribute.executors import strategy
from hfc_tf.errors import InputError
from hfc_tf.models.resnet18 import small_resnet
from hfc_tf.storage.store import Store
from hfc_tf.study import sources, victim
from hfc_tf.study.config import Config
from tests.study.inputs import SOURCES, Keys


def saved(folder, channels):
  model = keras.Sequential([
    keras.Input((8, 8, channels)), keras.layers.Conv2D(4, 3, activation="relu"),
    keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2),
  ])  # fmt: skip
  model.save(folder / "mine.keras")
  return model, str(folder / "mine.keras")


def loaded(path, mode):
  config = Config(model_path=path, preprocessing=mode, split="given")
  return victim.load_victim(Keys(), config, print, SOURCES)


@pytest.mark.parametrize("mode", victim.BY_CHANNEL)
def test_preprocessing_of_colours_wants_three_channels(tmp_path, mode):
  model, path = saved(tmp_path, 3)
  grey = np.random.default_rng(0).random((4, 8, 8, 1), np.float32)
  prepare = keras.applications.imagenet_utils.preprocess_input
  wanted = model.predict(prepare(255 * grey.repeat(3, -1), mode=mode), verbose=0)
  taps = loaded(path, mode).model.taps(grey)
  np.testing.assert_allclose(taps.logits, wanted, rtol=1e-4, atol=1e-4)
  saved(tmp_path, 1)
  with pytest.raises(InputError, match=f"three-channel model for --preprocessing={mode}; found"):
    loaded(path, mode)
  model, path = saved(tmp_path, 1)
  taps = loaded(path, "raw255").model.taps(grey)
  np.testing.assert_allclose(taps.logits, model.predict(255 * grey, verbose=0), rtol=1e-4, atol=0.1)


def test_networks_that_prepare_images_are_not_given_prepared_ones(monkeypatch):
  made = {}

  def trained(store, sources, name, settings, devices):
    made[name] = settings
    raise InputError("a", "b", "c")

  monkeypatch.setattr(victim, "trained_classifier", trained)
  warnings = []
  for model, weights in (("densenet121", None), ("vgg16", "imagenet"), ("resnet50", None)):
    config = Config(model=model, weights=weights, preprocessing="caffe").resolved()
    with pytest.raises(InputError):
      victim.load_victim(Keys(), config, warnings.append, SOURCES)
  assert {name: settings["preprocessing"] for name, settings in made.items()} == {
    "densenet121": "none", "vgg16": "none", "resnet50": "caffe",
  }  # fmt: skip
  assert [text.split()[0] for text in warnings] == ["densenet121", "vgg16"]
  with pytest.raises(InputError):
    victim.load_victim(Keys(), Config(model="vgg16").resolved(), warnings.append, SOURCES)
  assert made["vgg16"]["preprocessing"] == "none" and len(warnings) == 2


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_layer_larger_than_the_file_is_refused_unmade(tmp_path, suffix):
  model, _ = saved(tmp_path, 3)
  path = tmp_path / f"large{suffix}"
  model.save(path)
  victim.users_classifier(str(path))
  if suffix == ".h5":
    with h5py.File(path, "a") as file:
      text = file.attrs["model_config"]
      file.attrs["model_config"] = text.replace('"filters": 4', '"filters": 99999999')
  else:
    with zipfile.ZipFile(path) as archive:
      members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
      for name, content in members.items():
        archive.writestr(name, content.replace(b'"filters": 4', b'"filters": 99999999'))
  with pytest.raises(InputError, match=rf"large{suffix}: ValueError a layer of 99999999 in a file"):
    victim.users_classifier(str(path))


def test_a_model_with_nan_in_its_weights_is_refused(tmp_path):
  model, path = saved(tmp_path, 3)
  values = model.get_weights()
  values[0][0, 0, 0, 0] = np.nan
  model.set_weights(values)
  model.save(path)
  with pytest.raises(InputError, match=r"mine\.keras: ValueError NaN in .*kernel"):
    victim.users_classifier(path)


def test_training_on_random_crops(tmp_path, monkeypatch):
  thin = functools.partial(small_resnet, widths=(4,))
  monkeypatch.setitem(models.MODELS, "small_resnet", thin)
  seen = []
  train = victim.training.train
  monkeypatch.setattr(victim.training, "train",
                      lambda *a, **k: seen.append(a[0].input_shape) or train(*a, **k))  # fmt: skip
  store, config = Store(tmp_path), Config(image_size=24, num_images=60).resolved()
  images = sources.load_sources(store, config, print)
  settings = {"epochs": 1, "batch_size": 8, "learning_rate": 0.01, "seed": 0, "weights": None,
              "preprocessing": "none"}  # fmt: skip

  def trained(*crop):
    given = settings | {"crop": list(crop)}
    return victim.trained_classifier(store, images, "small_resnet", given, strategy(None))

  model, _ = trained(20, 18)
  assert seen == [(None, 20, 18, 1)] and model.input_shape == (None, 24, 24, 1)
  # BatchNorm knows whole images: the first one's mean is that of its inputs over Train.
  rows, _ = splits.validation(images.dataset, images.split.train, 0)
  stem = keras.Model(model.inputs, model.get_layer("stem_conv").output)
  maps = stem.predict(images.dataset.images(rows), verbose=0)
  statistics = np.asarray(model.get_layer("stem_bn").moving_mean)
  np.testing.assert_allclose(statistics, maps.mean((0, 1, 2)), rtol=1e-3, atol=1e-5)
  with pytest.raises(InputError, match=r"crops within the images' sides \(24, 24\)"):
    trained(25, 8)
  with pytest.raises(InputError, match="crops within"):
    trained(8, 8, 8)


def test_a_network_that_differs_on_crops_is_refused():
  cropped, whole = (models.MODELS["resnet18_3d"]((side, 16, 16, 1), 2, widths=(4,))
                    for side in (8, 16))  # fmt: skip
  with pytest.raises(InputError, match=r"the network is the same; found --crop=8,16,16"):
    victim._whole(cropped, whole, (8, 16, 16), (16, 16, 16))
