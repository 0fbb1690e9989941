"""What is learnt or chosen stays, bit by bit, when AdvTest's pixels are others."""

import dataclasses

import numpy as np
import pytest

from hfc_tf import data
from hfc_tf.detectors import DETECTORS
from hfc_tf.study import comparison
from hfc_tf.study.study import Study
from tests.experiments import shared

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def both(tmp_path_factory):
  """One study, and one whose AdvTest images are mirrored and darker."""
  place = tmp_path_factory.mktemp("leakage")
  config = shared.config(
    num_images=160, steps=2, hfc=True, hfc_weights=("auto",), tuning_images=16,
    detectors=tuple(DETECTORS), max_adv_train=60,
  ).resolved()  # fmt: skip
  images = data.load(config.dataset, None, config.image_size, config.seed, config.num_images)
  first = Study(dataclasses.replace(config, out=str(place / "first")), dataset=images)
  pixels = np.array(images.pixels)
  rows = first.rows_of["adv_test"]
  pixels[rows] = np.round(0.97 * pixels[rows][:, :, ::-1]).astype(pixels.dtype)
  other = Study(
    dataclasses.replace(config, out=str(place / "other")),
    dataset=dataclasses.replace(images, pixels=pixels),
    split=first.split,
  )
  return [(study, comparison.compare(study, "bim")) for study in (first, other)]


def test_adv_test_is_another(both):
  (first, one), (other, two) = both
  assert not np.array_equal(first.clean["adv_test"].logits[:5], other.clean["adv_test"].logits[:5])
  assert list(one.results) == list(two.results) == ["attack", "auto"]
  assert one.results["attack"].images[:5].tobytes() != two.results["attack"].images[:5].tobytes()


def test_the_weight_on_hfc_is_chosen_without_adv_test(both):
  (_, one), (_, two) = both
  assert one.auto_weight is not None and one.auto_weight == two.auto_weight


@pytest.mark.parametrize("key", DETECTORS)
def test_no_detector_or_threshold_learns_from_adv_test(both, key):
  (_, one), (_, two) = both
  assert one.thresholds[key] == two.thresholds[key]
  arrays, again = (compared.detectors[key]._arrays() for compared in (one, two))
  assert arrays.keys() == again.keys() and arrays
  for name, values in arrays.items():
    np.testing.assert_array_equal(values, again[name], err_msg=name)
  assert not np.array_equal(one.scores[key]["clean"], two.scores[key]["clean"])
