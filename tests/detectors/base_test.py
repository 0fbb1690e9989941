import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf import detectors
from hfc_tf.detectors import DETECTORS
from hfc_tf.detectors.learning import AdvTrain
from hfc_tf.errors import InputError
from hfc_tf.evaluation.metrics import auc_within_class
from hfc_tf.storage.arrays import save_arrays
from hfc_tf.taps import Taps

KEYS = [key for key, kind in DETECTORS.items() if kind.reads != "images"]
LAYERED = ["kd", "lid", "maha", "dnn", "knn", "hfc_score"]


@pytest.fixture(scope="module")
def fitted(world):
  return {key: DETECTORS[key]().fit(world.train, **world.adv_train) for key in KEYS}


def saved(detector, folder):
  detector.save(folder / "detector.npz")
  return folder / "detector.npz"


def area(detector, world):
  clean, adversarial = world.test_clean, world.test_adversarial
  return auc_within_class(
    detector.score(clean), clean.predictions, detector.score(adversarial), adversarial.predictions
  )


@pytest.mark.parametrize("key", [key for key in KEYS if key not in ("bu", "knn")])
def test_finds_adversarials_of_images_it_has_not_seen(fitted, world, key):
  assert area(fitted[key], world) > (0.8 if key == "lid" else 0.95)


@pytest.mark.parametrize("key", KEYS)
def test_scores_do_not_depend_on_the_batch(fitted, world, key, tmp_path):
  taps, rows = world.test_clean, np.random.default_rng(0).permutation(len(world.test_clean))
  scores = fitted[key].score(taps)
  assert scores.shape == (len(taps),) and scores.dtype == np.float32
  np.testing.assert_allclose(fitted[key].score(taps[rows]), scores[rows], rtol=1e-4, atol=1e-4)
  single = [fitted[key].score(taps[i : i + 1])[0] for i in range(8)]
  np.testing.assert_allclose(single, scores[:8], rtol=1e-4, atol=1e-4)
  assert fitted[key].score(taps[:0]).shape == (0,)
  # 600 rows are more than one batch; still one trace.
  again = detectors.load(saved(fitted[key], tmp_path))
  traces, score_tensor = [], again.score_tensor

  def counted(features, logits):
    traces.append(logits.shape)
    return score_tensor(features, logits)

  again.score_tensor = counted
  again.score(taps[np.arange(600) % len(taps)])
  again.score(taps[:7])
  assert len(traces) == 1


@pytest.mark.parametrize("key", KEYS)
def test_save_and_load(fitted, world, key, tmp_path):
  loaded = detectors.load(saved(fitted[key], tmp_path))
  assert type(loaded) is DETECTORS[key] and loaded.threshold_ == fitted[key].threshold_
  np.testing.assert_array_equal(loaded.score(world.test_clean), fitted[key].score(world.test_clean))
  assert [path.name for path in tmp_path.iterdir()] == ["detector.npz"]
  with np.load(tmp_path / "detector.npz", allow_pickle=False) as file:
    assert all(file[name].dtype != object for name in file.files)
  other = DETECTORS["bu" if key == "kd" else "kd"]
  with pytest.raises(InputError, match=f"found {key}"):
    other.load(tmp_path / "detector.npz")
  loaded.save(tmp_path / "again.npz")
  assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "detector.npz").read_bytes()


@pytest.mark.parametrize("key", KEYS)
def test_fitted_again_it_is_the_same_bit_by_bit(fitted, world, key):
  again = DETECTORS[key]().fit(world.train, **world.adv_train)
  assert again.threshold_ == fitted[key].threshold_
  arrays = fitted[key]._arrays()
  assert again._arrays().keys() == arrays.keys()
  for name, values in again._arrays().items():
    np.testing.assert_array_equal(values, arrays[name], err_msg=name)


@pytest.mark.parametrize("key", [key for key in KEYS if DETECTORS[key].differentiable])
def test_score_tensor_has_finite_gradients(fitted, world, key):
  taps = world.test_adversarial[:5]
  features = {name: tf.constant(values) for name, values in taps.features.items()}
  with tf.GradientTape() as tape:
    tape.watch(features)
    scores = fitted[key].score_tensor(features, tf.constant(taps.logits))
  np.testing.assert_allclose(scores, fitted[key].score(taps), rtol=1e-4, atol=1e-4)
  gradient = tape.gradient(scores, features)["last"]
  assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0


@pytest.mark.parametrize("key", LAYERED)
def test_scores_per_layer(fitted, world, key):
  scores = fitted[key].score(world.test_clean, per_layer=True)
  assert list(scores) == (["last"] if key == "kd" else list(world.train.features))
  for name, values in fitted[key].layer_scores(world.test_clean).items():
    np.testing.assert_array_equal(values, scores[name])


@pytest.mark.parametrize("key", [key for key in KEYS if key not in LAYERED])
def test_no_scores_per_layer_where_layers_have_none(fitted, world, key):
  assert not fitted[key].per_layer
  with pytest.raises(InputError, match="scores per layer"):
    fitted[key].score(world.test_clean, per_layer=True)


@pytest.mark.parametrize("key", LAYERED)
def test_a_single_layer_can_be_asked_for(world, key):
  detector = DETECTORS[key](layers=["middle"]).fit(world.train, **world.adv_train)
  assert detector.per_layer and list(detector.layer_scores(world.test_clean)) == ["middle"]
  # The other layers count for nothing.
  blank = {name: np.zeros_like(v) for name, v in world.test_clean.features.items()}
  blank["middle"] = world.test_clean.features["middle"]
  blind = dataclasses.replace(world.test_clean, features=blank)
  np.testing.assert_allclose(detector.score(blind), detector.score(world.test_clean), rtol=1e-5)
  with pytest.raises(InputError, match="among early, middle, last; found late"):
    DETECTORS[key](layers=["late"]).fit(world.train, **world.adv_train)


def test_adversarials_of_several_attacks(world, new_world):
  # Both attacks know the same images; groups keep each image's rows in one fold.
  other = new_world(0, shift=-2.0).adversarial
  mixture = Taps.concatenate([world.adversarial, other])
  data = AdvTrain.of(world.clean, world.noisy, mixture)
  for learn, held_out in data.folds():
    assert not np.intersect1d(data.groups[learn], data.groups[held_out]).size
  detector, alone = (
    DETECTORS["dnn"](layers=["last"]).fit(world.train, clean=world.clean, adversarial=adversarial)
    for adversarial in (mixture, world.adversarial)
  )
  unseen = dataclasses.replace(world, test_adversarial=new_world(0, shift=-2.0).test_adversarial)
  assert area(detector, unseen) > 0.95 > area(alone, unseen)
  assert area(detector, world) > 0.95


@pytest.mark.parametrize("key", KEYS)
def test_threshold_keeps_ninety_percent_of_new_clean_images(new_world, key):
  # Nothing to find: adversarials are clean images. A threshold from scores that were fitted to the
  # very images would lie far off for detectors that learn by heart.
  world = new_world(3, shift=0.0, adv_train=200, adv_test=600)
  detector = DETECTORS[key]().fit(world.train, **world.adv_train)
  share = np.mean(detector.score(world.test_clean) <= detector.threshold_)
  # Neighbours are counted, and equal counts fall on the same side of the threshold.
  assert 0.82 < share < (1.01 if key == "knn" else 0.98)


@pytest.mark.parametrize("key", KEYS)
def test_works_without_noise_and_groups(world, key):
  def bare(taps):
    return dataclasses.replace(taps, groups=None)

  detector = DETECTORS[key]()
  detector.fit(world.train, clean=bare(world.clean), adversarial=bare(world.adversarial))
  assert np.isfinite(detector.score(world.test_adversarial)).all()


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (lambda w: {"adversarial": w.adversarial[:0]}, "at least ten adversarial"),
    (lambda w: {"clean": w.clean[w.clean.labels == 1][:3]}, "at least ten clean"),
    (lambda w: {"noisy": w.clean}, "found copies of the clean ones"),
    (lambda w: {"train": w.train[w.train.labels == 0]}, r"found labels \[0\]"),
    (
      lambda w: {
        "clean": w.clean[w.clean.predictions == 1],
        "noisy": None,
        "adversarial": w.adversarial[w.adversarial.predictions == 0],
      },
      "both predicted as",
    ),
    (lambda w: {"clean": poisoned(w.clean)}, "NaN or infinity in layer middle"),
    (lambda w: {"adversarial": narrowed(w.adversarial)}, "others in the adversarial taps"),
  ],
)
def test_refuses_what_cannot_be_learnt_from(world, change, message):
  arguments = {"train": world.train, **world.adv_train} | change(world)
  with pytest.raises(InputError, match=message):
    DETECTORS["maha"]().fit(arguments.pop("train"), **arguments)


def poisoned(taps: Taps) -> Taps:
  features = {name: values.copy() for name, values in taps.features.items()}
  features["middle"][3, 2] = np.nan
  return dataclasses.replace(taps, features=features)


def narrowed(taps: Taps) -> Taps:
  features = {name: values[:, :-1] for name, values in taps.features.items()}
  return dataclasses.replace(taps, features=features)


def test_refuses_scoring_what_it_cannot_score(fitted, world):
  with pytest.raises(InputError, match="before fit"):
    DETECTORS["kd"]().score(world.clean)
  with pytest.raises(InputError, match="NaN"):
    fitted["maha"].score(poisoned(world.clean))


def test_images_are_scored_by_their_taps(fitted, world):
  class Model:
    def taps(self, images):
      return world.test_clean[images]

  rows = np.arange(7)
  scores = fitted["maha"].score_images(Model(), rows)
  np.testing.assert_array_equal(scores, fitted["maha"].score(world.test_clean[rows]))
  layers = fitted["maha"].layer_score_images(Model(), rows)
  assert list(layers) == list(world.train.features) and layers["early"].shape == (7,)


def test_unknown_kind_is_named(tmp_path):
  config = '{"detector": "newer", "values": {}}'
  save_arrays(tmp_path / "new.npz", {"config": config}, checksum=True)
  with pytest.raises(InputError, match=r"found newer in .*new\.npz"):
    detectors.load(tmp_path / "new.npz")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut off"])
def test_damaged_file_is_named(tmp_path, content):
  (tmp_path / "maha.npz").write_bytes(content)
  with pytest.raises(InputError, match=r"maha\.npz"):
    detectors.load(tmp_path / "maha.npz")
