"""From files to files: a folder of grey and coloured PNGs, attacked, stored, judged."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from hfc_tf import data
from hfc_tf.evaluation import metrics
from hfc_tf.models import training
from hfc_tf.study import comparison
from hfc_tf.study.config import Config
from hfc_tf.study.study import Study
from tests.networks import tiny

SIDE = 12
EPS = 16 / 255


@pytest.fixture(autouse=True)
def few_images(monkeypatch):
  """Small studies have fewer than 20 images a class; their figures are said all the same."""
  monkeypatch.setattr(metrics, "FEWEST", 1)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
  """Dark and bright images, every second one grey, in files of another size than is asked for."""
  root = tmp_path_factory.mktemp("files")
  rng = np.random.default_rng(0)
  for row in range(160):
    label = row % 2
    pixels = rng.integers(0, 120, (16, 16, 3 if row % 4 > 1 else 1)) + 24 * label
    pixels = np.repeat(pixels, 3 // pixels.shape[-1], -1).astype(np.uint8)
    folder = root / "images" / "ab"[label]
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / f"{row}.png")
  images = data.load("folder", root / "images", SIDE)
  model = tiny((SIDE, SIDE, 3))
  values, labels = images.images(slice(None)), images.labels
  training.train(model, values, labels, values, labels, epochs=12, batch_size=16)
  model.save(root / "model.keras")
  config = Config(
    dataset="folder", data_dir=str(root / "images"), image_size=SIDE, eps_256=16.0, steps=5,
    model_path=str(root / "model.keras"), detectors=("maha",), batch_size=16, components=1,
    out=str(root / "out"), min_accuracy=0.0, num_images=160,
  )  # fmt: skip
  return Study(config.resolved())


def _grey(images):
  return (images == images[..., :1]).all(axis=(1, 2, 3))


def test_8_bit_files_are_attacked_as_8_bit_files(study):
  assert study.sources.dataset.bits == 8 and study.levels == 255
  result = comparison.evaluate(study, "bim", study.attack("bim"))
  clean = study.images("adv_test")
  for image in np.concatenate([clean, result.images]):
    file = io.BytesIO()
    Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(file, "PNG")
    np.testing.assert_array_equal(np.asarray(Image.open(file), np.float32) / 255, image)
  assert np.abs(result.images - clean).max() <= EPS + 1e-6
  assert (result.eps_256, result.grid) == (16.0, "8 bits")
  # The figures are of the files; what the attack returned stands beside.
  model, targets = study.victim.model, study.targets["adv_test"]
  assert result.adv_acc == np.mean(model.taps(result.images).predictions == targets)
  np.testing.assert_array_equal(result.predictions_8bit, result.taps.predictions)
  floats = study.attacked("bim", study.attack("bim"), "adv_test", stored=False)
  np.testing.assert_array_equal(result.floats.images, floats)
  assert np.abs(floats - result.images).max() > 1e-4
  assert result.floats.adv_acc == np.mean(model.taps(floats).predictions == targets)


def test_grey_images_stay_grey_and_others_do_not(study):
  clean = study.images("adv_test")
  images = study.attacked("bim", study.attack("bim"), "adv_test")
  grey = study.sources.dataset.grey(study.rows_of["adv_test"])
  np.testing.assert_array_equal(grey, _grey(clean))
  assert 0 < grey.sum() < len(grey)
  np.testing.assert_array_equal(_grey(images), grey)
  assert (images != clean).any((1, 2, 3)).all()


def test_noise_is_of_the_attacks_kind(study):
  clean = study.images("adv_train")
  noisy = comparison.noisy_images(study, "adv_train", EPS)
  np.testing.assert_array_equal(_grey(noisy), _grey(clean))
  change = np.rint(255 * (noisy - clean)).astype(int)
  assert set(np.unique(np.abs(change[(clean > EPS) & (clean < 1 - EPS)]))) == {16}
  np.testing.assert_array_equal(noisy, (np.rint(noisy * 255) / 255).astype(np.float32))


def test_free_channels_are_marked(study):
  free = Study(dataclasses.replace(study.config, free_channels=True))
  images = free.attacked("bim", free.attack("bim"), "adv_test")
  assert not _grey(images).any()
  assert any("outside the threat model" in warning for warning in free.warnings)
  assert not any("threat model" in warning for warning in study.warnings)


def test_as_floats_it_is_as_before(study):
  floats = Study(dataclasses.replace(study.config, grid="float"))
  assert floats.levels is None and floats.sources.key != study.sources.key
  pixels = floats.sources.dataset.pixels[floats.rows_of["adv_test"]]
  np.testing.assert_array_equal(floats.images("adv_test"), pixels.astype(np.float32) / 65535)
  attack = floats.attack("bim")
  assert (attack.eps, attack.step_size) == (16 / 256, pytest.approx(6.4 / 256))
  result = comparison.evaluate(floats, "bim", attack)
  assert result.grid == "float" and result.floats is None
  detectors = comparison.fit_detectors(floats, "bim", {"attack": attack})
  (row,) = comparison.score(floats, detectors, {"attack": result}).rows()
  assert row.auc_within_class_float == row.auc_within_class
  assert row.auc_within_class_two_sided_float == row.auc_within_class_two_sided
  assert row.adv_acc_float == row.adv_acc


def test_detectors_score_files_and_floats_apart(study):
  compared = comparison.compare(study, "bim")
  (row,) = compared.rows()
  result, maha = compared.results["attack"], compared.detectors["maha"]
  np.testing.assert_array_equal(compared.scores["maha"]["attack"], maha.score(result.taps))
  before = maha.score(result.floats.taps)
  np.testing.assert_array_equal(compared.float_scores["maha"]["attack"], before)
  chosen, clean = result.floats.success, compared.clean
  expected = metrics.auc_within_class(
    compared.scores["maha"]["clean"], clean.predictions, before[chosen],
    result.floats.taps.predictions[chosen],
  )  # fmt: skip
  assert row.auc_within_class_float == expected
  assert row.adv_acc_float == np.mean(chosen) and row.grid == "8 bits"


def test_an_attack_that_does_not_survive_says_so_first(study, monkeypatch):
  study.warn("something else")
  attack = study.attack("bim")
  original = study.attacked("bim", attack, "adv_test", stored=False)
  monkeypatch.setattr(study, "stored", lambda _, subset, *__: study.images(subset))
  result = comparison.evaluate(study, "bim", attack)
  assert result.adv_acc == 0 and result.floats.images.tobytes() == original.tobytes()
  assert study.warnings[0].startswith("BIM reaches its target on ")
  assert study.warnings[0].endswith(" as floats, on 0% as 8-bit files.")
  monkeypatch.setattr(comparison, "noisy_images", lambda study, name, _: 1 - study.images(name))
  assert comparison.fit_detectors(study, "bim", {"attack": attack})
  assert "0 reach their target as files" in study.warnings[-1]
  assert study.warnings[-1].endswith("detectors learnt from the floats.")
