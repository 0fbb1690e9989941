import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.detectors import DETECTORS, export, export_detector
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel
from tests.networks import tiny

BARE = """
import sys
for name in ("hfc_tf", "sklearn", "scipy", "tensorflow_probability", "tf_keras"):
  sys.modules[name] = None
import keras
import numpy as np
import tensorflow as tf
images = np.load("images.npy")
for folder in sys.argv[1:]:
  served = tf.saved_model.load(folder)
  outputs = served.serve(images)
  again = served.signatures["serving_default"](images=tf.constant(images[:3]))
  np.savez(folder + ".npz", first=again["score"], **outputs)
"""


@pytest.fixture(scope="module")
def exported(fitted_on_images, tmp_path_factory):
  world, fitted = fitted_on_images
  if len(world.model.input_shape) == 4:  # volumes: those that treat space in their own way
    fitted = {key: fitted[key] for key in ("kd", "squeezing", "maha_step", "mgm")}
  folder = tmp_path_factory.mktemp("exported")
  for key, detector in fitted.items():
    export_detector(detector, world.model, folder / key)
  images = np.concatenate([world.test_clean, world.test_adversarial])
  np.save(folder / "images.npy", images)
  environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
  subprocess.run(
    [sys.executable, "-c", BARE, *fitted], cwd=folder, env=environment, check=True, timeout=120
  )
  return world, fitted, folder, images


def test_serves_the_same_without_us(exported):
  world, fitted, folder, images = exported
  for key, detector in fitted.items():
    expected = detector.score_images(world.model, images)
    scale = np.abs(expected).max()
    close = {"atol": 1e-4 * scale, "rtol": 0, "err_msg": key}
    with np.load(folder / f"{key}.npz") as served:
      np.testing.assert_allclose(served["score"], expected, **close)
      np.testing.assert_allclose(served["first"], expected[:3], **close)
      clear = np.abs(expected - detector.threshold_) > 1e-4 * scale
      verdict = served["is_adversarial"]
      np.testing.assert_array_equal(verdict[clear], (expected > detector.threshold_)[clear])
      np.testing.assert_array_equal(served["label"], world.model.taps(images).predictions)
      assert verdict.dtype == bool and served["label"].dtype == np.int32
      assert ("layer_scores" in served) == detector.per_layer
      if detector.per_layer:
        layers = np.stack(list(detector.layer_score_images(world.model, images).values()), axis=1)
        limit = 1e-4 * np.abs(layers).max()
        np.testing.assert_allclose(served["layer_scores"], layers, atol=limit, rtol=0, err_msg=key)


def test_says_what_it_is(exported):
  world, fitted, folder, _ = exported
  for key, detector in fitted.items():
    config = json.loads((folder / key / "detector.json").read_text())
    assert config["detector"] == key and config["threshold"] == detector.threshold_
    assert config["layers"] == detector.layers_
    assert config["input_shape"] == list(world.model.input_shape)
    assert config["bounds"] == list(world.model.bounds)
    assert config["settings"].keys() == detector.settings().keys() and "seed" in config["settings"]
    assert {"score", "is_adversarial", "label"} <= set(config["outputs"])


def test_the_detector_is_untouched(exported):
  _, fitted, _, _ = exported
  assert not any(isinstance(t, tf.Variable) for t in tf.nest.flatten(fitted["kd"]._tensors))


def test_an_image_that_is_none_is_flagged(exported):
  world, fitted, folder, images = exported
  broken = images[:4].copy()
  broken[0, 0], broken[1, 0] = np.nan, np.inf
  broken[2, 0] = world.model.bounds[1] * 1.01
  loaded = tf.saved_model.load(str(folder / "mgm"))
  outputs = {name: value.numpy() for name, value in loaded.serve(broken).items()}
  assert np.isnan(outputs["score"][:3]).all() and outputs["is_adversarial"][:3].all()
  whole = fitted["mgm"].score_images(world.model, images[3:4])
  np.testing.assert_allclose(outputs["score"][3:], whole, rtol=1e-3)


def test_whole_or_not_at_all(pictures, tmp_path, monkeypatch):
  detector = DETECTORS["mgm"]().fit(pictures.train, **pictures.adv_train)
  place = export_detector(detector, pictures.model, tmp_path / "deep" / "mgm")
  assert [path.name for path in place.parent.iterdir()] == ["mgm"]
  before = (place / "saved_model.pb").read_bytes()

  def full(*_, **__):
    raise OSError(28, "No space left on device")

  with monkeypatch.context() as broken:
    broken.setattr(tf.saved_model, "save", full)
    with pytest.raises(InputError, match="No space left"):
      export_detector(detector, pictures.model, place)
    with pytest.raises(InputError, match="No space left"):
      export_detector(detector, pictures.model, tmp_path / "new")
  assert (place / "saved_model.pb").read_bytes() == before
  assert [path.name for path in tmp_path.iterdir()] == ["deep"]
  export_detector(detector, pictures.model, place)  # an earlier export is replaced
  assert [path.name for path in place.parent.iterdir()] == ["mgm"]
  loaded = tf.saved_model.load(str(place))
  assert loaded.serve(pictures.test_clean)["score"].shape == (40,)


def test_refuses_what_it_cannot_write(pictures, tmp_path):
  fitted = DETECTORS["mgm"]().fit(pictures.train, **pictures.adv_train)
  with pytest.raises(InputError, match="before fit"):
    export_detector(DETECTORS["mgm"](), pictures.model, tmp_path / "mgm")
  (tmp_path / "thesis").mkdir()
  (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
  with pytest.raises(InputError, match="one with an export"):
    export_detector(fitted, pictures.model, tmp_path / "thesis")
  assert (tmp_path / "thesis" / "chapter.tex").exists()


def test_refuses_preprocessing_in_python(tmp_path, pictures):
  def slow(images):
    result = tf.numpy_function(lambda values: values, [images], tf.float32)
    return tf.ensure_shape(result, images.shape)

  model = TappedModel(tiny(), preprocessing=slow)
  detector = DETECTORS["mgm"]().fit(pictures.train, **pictures.adv_train)
  with pytest.raises(InputError, match="found PyFunc in it"):
    export_detector(detector, model, tmp_path / "mgm")


def test_a_network_that_skips_points_of_its_image(tmp_path):
  inputs = keras.Input((9, 9, 3))
  maps = keras.layers.Conv2D(4, 3, 2, activation="relu")(inputs)
  outputs = keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(maps))
  model = TappedModel(keras.Model(inputs, outputs), fold=True)
  images = np.random.default_rng(0).random((60, 9, 9, 3), np.float32)
  taps = model.taps(images, np.arange(60) % 2)
  noisy, other = (model.taps(x, taps.labels) for x in (0.9 * images, 1 - images))
  detector = DETECTORS["mgm"]().fit(taps, clean=taps, noisy=noisy, adversarial=other)
  served = tf.saved_model.load(export_detector(detector, model, tmp_path / "mgm"))
  expected = detector.score_images(model, images)
  np.testing.assert_allclose(served.serve(images)["score"], expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["[glob]", "a*", "what?", "back\\slash"])
def test_refuses_a_path_that_tensorflow_reads_as_a_pattern(pictures, tmp_path, name):
  fitted = DETECTORS["mgm"]().fit(pictures.train, **pictures.adv_train)
  with pytest.raises(InputError, match="that TensorFlow can load from"):
    export_detector(fitted, pictures.model, tmp_path / name)
  assert not list(tmp_path.iterdir())


def test_odd_names_links_and_relative_paths(pictures, tmp_path, monkeypatch):
  fitted = DETECTORS["mgm"]().fit(pictures.train, **pictures.adv_train)
  monkeypatch.chdir(tmp_path)
  for name in ("ümlaut 写真 %20#", "n" * 250, "new\nline"):
    assert "score" in tf.saved_model.load(export_detector(fitted, pictures.model, name)).serve(
      pictures.test_clean
    )
  link, target = tmp_path / "link", tmp_path / ("n" * 250)
  link.symlink_to(target)
  (target / "detector.json").write_text("old")
  export_detector(fitted, pictures.model, link)
  assert link.is_symlink() and json.loads((target / "detector.json").read_text())
  assert len(list(tmp_path.iterdir())) == 4


def test_two_exports_at_once_leave_a_whole_one(tmp_path):
  def made(name):
    folder = tmp_path / name / "new"
    folder.mkdir(parents=True)
    (folder / "who").write_text(name)
    return folder

  places = [made(str(number)) for number in range(40)]
  with ThreadPoolExecutor(4) as pool:
    list(pool.map(lambda new: export._replace(tmp_path / "place", new), places))
  assert (tmp_path / "place" / "who").read_text() in map(str, range(40))


def test_an_export_that_cannot_be_put_there_leaves_the_old_one(tmp_path):
  (tmp_path / "place").mkdir()
  (tmp_path / "place" / "old").write_text("")
  (tmp_path / "work").mkdir()
  with pytest.raises(FileNotFoundError):
    export._replace(tmp_path / "place", tmp_path / "work" / "new")
  assert (tmp_path / "place" / "old").exists()
