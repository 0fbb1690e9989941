"""What does not fit is refused at the door of fit and score, in one line, and spoils nothing."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.base import clone

from hfc_tf.detectors import DETECTORS, SavedModelDetector
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel

KEYS = [key for key, kind in DETECTORS.items() if kind.reads != "images"]
SMALL = {
  "dnn": {"epochs": 2},
  "hfc_score": {"components": 2},
  "kd": {"metrics": ["standardised"]},
  "knn": {"k": 10},
  "lid": {"reference_size": 60, "regularisations": [0.1]},
  "maha": {"regularisations": [0.1]},
  "svm": {"costs": [1.0], "gammas": [1.0]},
}


def new(key):
  return DETECTORS[key](**SMALL.get(key, {}))


@pytest.fixture(scope="module")
def fitted(world):
  return {key: new(key).fit(world.train, **world.adv_train) for key in KEYS}


def each(taps, function):
  return dataclasses.replace(taps, features={n: function(v) for n, v in taps.features.items()})


WRONG = {
  "narrower": (lambda t: each(t, lambda v: v[:, :-1]), "channels instead of"),
  "one channel": (lambda t: each(t, lambda v: v[:, :1]), "channels instead of"),
  "one row": (lambda t: each(t, lambda v: v[:1]), "rows in every array"),
  "rows of logits": (lambda t: dataclasses.replace(t, logits=t.logits[:-1]), "rows in every array"),
  "rows of labels": (lambda t: dataclasses.replace(t, labels=t.labels[:-1]), "in labels"),
  "one-hot": (lambda t: dataclasses.replace(t, labels=np.eye(2)[t.labels]), "argmax"),
  "three classes": (
    lambda t: dataclasses.replace(t, logits=np.pad(t.logits, [(0, 0), (0, 1)])),
    "logits of 2 classes",
  ),
  "flat": (lambda t: each(t, lambda v: v[:, 0]), r"shape \(N, C\)"),
  "maps": (lambda t: each(t, lambda v: v[:, None]), r"shape \(N, C\)"),
  "text": (lambda t: each(t, lambda v: v.astype(str)), "numbers in layer"),
  "complex": (lambda t: each(t, lambda v: v.astype(complex)), "numbers in layer"),
  "NaN": (lambda t: each(t, lambda v: v * np.nan), "NaN or infinity"),
  "beyond float32": (lambda t: each(t, lambda v: v * 1e300), "NaN or infinity"),
  "NaN logits": (lambda t: dataclasses.replace(t, logits=t.logits * np.nan), "NaN or infinity"),
  "fewer layers": (
    lambda t: dataclasses.replace(t, features={"last": t.features["last"]}),
    "3 layers of Train",
  ),
  "another layer": (
    lambda t: dataclasses.replace(t, features={**t.features, "more": t.features["last"]}),
    "layer more",
  ),
  "an array": (lambda t: t.features["last"], "Taps"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_taps_are_refused_and_spoil_nothing(fitted, world, what):
  change, message = WRONG[what]
  wrong = change(each(world.test_clean, lambda v: v.astype(np.float64)))
  for key in KEYS if what in ("narrower", "one channel") else ["maha"]:
    before = fitted[key].score(world.test_clean)
    with pytest.raises(InputError, match=message) as caught:
      fitted[key].score(wrong)
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(fitted[key].score(world.test_clean), before)
  with pytest.raises(InputError, match=message):
    new("mgm").fit(world.train, **world.adv_train | {"clean": change(world.clean)})


@pytest.mark.parametrize("key", KEYS)
def test_the_first_taps_do_not_decide_what_the_next_may_be(fitted, world, key):
  detector = new(key).fit(world.train, **world.adv_train)
  expected = fitted[key].score(world.test_clean)
  for dtype in (np.float64, np.float32, np.float16):
    taps = each(world.test_clean, lambda v, dtype=dtype: v.astype(dtype))
    taps = dataclasses.replace(taps, logits=taps.logits.astype(np.float64))
    size = np.abs(expected).max()
    tolerance = (0.2 if dtype == np.float16 else 1e-5) * size
    np.testing.assert_allclose(detector.score(taps), expected, rtol=0, atol=tolerance)
  whole = each(world.test_clean, lambda v: np.round(v * 10).astype(np.int64))
  assert np.isfinite(detector.score(whole)).all()
  assert detector.score(world.test_clean[:0]).shape == (0,)
  assert detector.score(world.test_clean[:1]).shape == (1,)


@pytest.mark.parametrize("key", KEYS)
def test_layers_that_never_move(world, key):
  sets = {}
  for name, taps in {"train": world.train, **world.adv_train, "test": world.test_clean}.items():
    still = {"early": np.zeros_like, "middle": lambda v: np.full_like(v, 3.0)}
    features = {n: still.get(n, lambda v: v)(v) for n, v in taps.features.items()}
    sets[name] = dataclasses.replace(taps, features=features)
  test = sets.pop("test")
  detector = new(key).fit(sets.pop("train"), **sets)
  assert np.isfinite(detector.score(test)).all() and np.isfinite(detector.threshold_)


def test_all_features_equal(world):
  def same(taps):
    return each(taps, np.ones_like)

  adv_train = {name: same(taps) for name, taps in world.adv_train.items()}
  for key in KEYS:
    detector = new(key).fit(same(world.train), **adv_train)
    scores = detector.score(same(world.test_clean))
    if key not in ("knn", "bu"):
      assert len({round(float(score), 3) for score in scores}) <= 2, key  # a class has one score


@pytest.mark.parametrize("key", [key for key in KEYS if key != "bu"])
def test_one_train_image_a_class_is_too_few(world, key):
  train = world.train[[0, 80]]
  assert set(train.labels) == {0, 1}
  with pytest.raises(InputError) as caught:
    new(key).fit(train, **world.adv_train)
  assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
  ("labels", "message"),
  [
    (lambda labels: np.full_like(labels, -1), "no labels"),
    (lambda labels: labels + 1, "from 0 to 1"),
    (lambda labels: np.eye(2)[labels], "argmax"),
  ],
)
def test_train_needs_labels(world, labels, message):
  train = dataclasses.replace(world.train, labels=labels(world.train.labels))
  with pytest.raises(InputError, match=message):
    new("maha").fit(train, **world.adv_train)


@pytest.mark.parametrize("key", KEYS)
def test_fit_and_score_draw_from_no_global_stream_and_change_no_input(world, key):
  before = np.random.get_state()[1].copy()
  for taps in (world.train, *world.adv_train.values(), world.test_clean):
    for values in (*taps.features.values(), taps.logits, taps.labels):
      values.setflags(write=False)
  new(key).fit(world.train, **world.adv_train).score(world.test_clean)
  np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_scores_that_are_not_finite_name_the_detector(fitted, world):
  detector = new("mgm").fit(world.train, **world.adv_train)
  detector.score_tensor = lambda features, logits: tf.where(logits[:, 0] > 0, np.nan, 1.0)
  detector._freeze()
  detector.score_tensor.__name__ = "score_tensor"
  with pytest.raises(InputError, match=r"finite scores of the detector mgm; found NaN .* of 80"):
    detector.score(world.test_clean)


@pytest.mark.parametrize("key", DETECTORS)
def test_params_and_clone_are_those_of_scikit_learn(key):
  detector = new(key)
  for name, value in SMALL.get(key, {}).items():
    assert detector.get_params()[name] == value
  copy = clone(detector)
  assert type(copy) is type(detector) and copy.get_params() == detector.get_params()
  assert copy.set_params(seed=3).seed == 3
  with pytest.raises(ValueError, match="Invalid parameter"):
    detector.set_params(unknown=1)


def test_clone_of_a_fitted_one_is_not_fitted(fitted, tmp_path):
  copy = clone(fitted["maha"])
  assert "not fitted" in repr(copy) and repr(copy).startswith("Mahalanobis(layers=None")
  assert "fitted, 3 of 3 layers read, 2 classes" in repr(fitted["maha"])
  with pytest.raises(InputError, match="before fit"):
    copy.score(None)
  assert clone(SavedModelDetector(tmp_path)).path == str(tmp_path)


def test_a_model_of_other_widths_is_named(pictures, fitted_on_images):
  other = TappedModel(wider())
  for key, detector in fitted_on_images[1].items():
    refused = r"model that|layers of Train|images of shape"
    with pytest.raises(InputError, match=refused) as caught:
      detector.score_images(other, pictures.test_clean[:2])
    assert "\n" not in str(caught.value), key


def wider():
  inputs = keras.Input((8, 8, 3))
  outputs = keras.layers.Conv2D(7, 3, activation="relu", name="first")(inputs)
  outputs = keras.layers.GlobalAveragePooling2D()(outputs)
  return keras.Model(inputs, keras.layers.Dense(2, name="logits")(outputs))


def test_images_may_be_a_dataset(pictures):
  detector = DETECTORS["squeezing"]()
  arrays = detector.fit(pictures.train, **pictures.arguments).score_images(
    pictures.model, pictures.test_clean
  )
  data = {n: tf.data.Dataset.from_tensor_slices(v).batch(7) for n, v in pictures.images.items()}
  again = DETECTORS["squeezing"]().fit(
    pictures.train, **pictures.adv_train, model=pictures.model, images=data
  )
  rows = np.arange(len(pictures.test_clean))
  pairs = tf.data.Dataset.from_tensor_slices((pictures.test_clean, rows)).batch(7)
  np.testing.assert_allclose(again.score_images(pictures.model, pairs), arrays, atol=1e-5)
  assert again.threshold_ == pytest.approx(detector.threshold_)


def test_a_file_of_an_older_version_is_refused(fitted, tmp_path):
  fitted["maha"].save(tmp_path / "maha.npz")
  with np.load(tmp_path / "maha.npz") as file:
    arrays = {name: file[name] for name in file.files if name != "checksum"}
  np.savez(tmp_path / "old.npz", **arrays)
  with pytest.raises(InputError, match=r"old\.npz.*no checksum.*save the fitted detector again"):
    DETECTORS["maha"].load(tmp_path / "old.npz")
