import numpy as np
import pytest

from hfc_tf.data import phantoms
from hfc_tf.errors import InputError

PHANTOMS = [(phantoms.chest, phantoms._chest, 1), (phantoms.fundus, phantoms._fundus, 3)]
both = pytest.mark.parametrize(("phantom", "draw", "channels"), PHANTOMS, ids=["chest", "fundus"])


@both
def test_dataset_is_synthetic_balanced_and_of_the_declared_form(phantom, draw, channels):
  dataset = phantom(num_images=12, image_size=32)
  assert dataset.source == "synthetic"
  assert "synthetic" in dataset.name
  assert dataset.pixels.dtype == np.uint16
  assert dataset.pixels.shape == (12, 32, 32, channels)
  assert dataset.labels.dtype == np.int32
  assert np.bincount(dataset.labels).tolist() == [6, 6]
  assert dataset.ids[7] == f"synthetic {phantom.__name__} 7"
  assert len(set(dataset.ids)) == 12
  assert len(dataset.class_names) == 2
  assert dataset.groups is None
  images = dataset.images(np.arange(12))
  assert images.min() >= 0
  assert images.max() <= 1
  assert images.std(axis=(1, 2, 3)).min() > 0.1
  assert not (dataset.pixels % 257).any()  # 8-bit values


@both
def test_same_seed_gives_the_same_images_and_other_seeds_do_not(phantom, draw, channels):
  first, again, other = (phantom(num_images=4, image_size=32, seed=seed) for seed in (3, 3, 4))
  np.testing.assert_array_equal(first.pixels, again.pixels)
  assert (first.pixels != other.pixels).mean(axis=(1, 2, 3)).min() > 0.3
  assert (first.pixels[0] != first.pixels[2]).mean() > 0.3


@both
def test_fewer_images_are_a_prefix(phantom, draw, channels):
  few, many = phantom(num_images=3, image_size=32), phantom(num_images=6, image_size=32)
  np.testing.assert_array_equal(few.pixels, many.pixels[:3])
  np.testing.assert_array_equal(few.labels, many.labels[:3])
  assert few.ids == many.ids[:3]


@both
def test_size_changes_the_resolution_and_not_the_picture(phantom, draw, channels):
  small = phantom(num_images=4, image_size=64).images(np.arange(4))
  large = phantom(num_images=4, image_size=128).images(np.arange(4))
  halved = large.reshape(4, 64, 2, 64, 2, channels).mean(axis=(2, 4))
  for index in range(4):
    assert np.corrcoef(small[index].ravel(), halved[index].ravel())[0, 1] > 0.97
    stranger = np.corrcoef(small[index].ravel(), halved[(index + 1) % 4].ravel())[0, 1]
    assert stranger < 0.97


@both
def test_lesions_are_all_that_tells_an_ill_image_from_its_twin(phantom, draw, channels):
  dataset = phantom(num_images=20, image_size=64, seed=1)
  for index in range(1, 20, 2):
    ill, twin = (draw(1, index, 64, with_lesions).astype(int) for with_lesions in (True, False))
    np.testing.assert_array_equal(dataset.pixels[index], ill)
    changed = (ill != twin).any(axis=-1)
    assert 0.005 < changed.mean() < 0.6
    border = np.concatenate([changed[0], changed[-1], changed[:, 0], changed[:, -1]])
    assert not border.any()  # lesions lie within lungs and retina


def differences(draw, num_images):
  """What the lesions add, in 1/255: [N, 64, 64, C]."""
  ill, twin = (
    np.stack([draw(0, index, 64, lesions) for index in range(num_images)]) / 257.0
    for lesions in (True, False)
  )
  return ill - twin


def test_pneumonia_brightens_the_lungs():
  assert differences(phantoms._chest, 20).mean(axis=(1, 2, 3)).min() > 0


def test_retinopathy_darkens_by_blood_and_brightens_by_lipids():
  changes = differences(phantoms._fundus, 20)
  assert changes.min() < -20
  assert changes.max() > 20


@both
def test_contrasts_reach_from_hardly_visible_to_plain(phantom, draw, channels):
  strongest = np.abs(differences(draw, 100)).max(axis=(1, 2, 3))
  assert strongest.min() < 25
  assert strongest.max() > 60


@pytest.mark.parametrize("wrong", [{"num_images": 1}, {"image_size": 15}, {"seed": -1}])
@pytest.mark.parametrize("phantom", [phantoms.chest, phantoms.fundus])
def test_impossible_requests_are_refused(phantom, wrong):
  with pytest.raises(InputError, match="at least"):
    phantom(**wrong)
