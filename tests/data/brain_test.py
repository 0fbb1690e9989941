import numpy as np
import pytest
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hfc_tf import data
from hfc_tf.data import brain, phantoms
from hfc_tf.errors import InputError


@pytest.fixture(scope="module")
def heads():
  return phantoms.brain(160, 32, seed=0)


def test_dataset_is_synthetic_balanced_and_of_the_declared_form(heads):
  assert heads.source == "synthetic" and "synthetic" in heads.name
  assert heads.pixels.dtype == np.uint16 and heads.pixels.shape == (160, 10, 32, 32, 1)
  assert heads.labels.dtype == np.int32 and np.bincount(heads.labels).tolist() == [40] * 4
  assert heads.class_names == brain.CAUSES and heads.groups is None
  assert heads.ids[5] == "synthetic brain 5" and len(set(heads.ids)) == 160
  assert not (heads.pixels % 257).any()  # 8-bit values


def test_same_seed_gives_the_same_volumes_and_other_seeds_do_not(heads):
  again, other = phantoms.brain(6, 32, seed=0), phantoms.brain(6, 32, seed=1)
  np.testing.assert_array_equal(again.pixels, heads.pixels[:6])
  assert (again.pixels != other.pixels).mean(axis=(1, 2, 3, 4)).min() > 0.3
  assert (again.pixels[0] != again.pixels[4]).mean() > 0.3  # one cause, two anatomies


def test_size_changes_the_resolution_and_not_the_picture():
  small = phantoms.brain(4, 24).images(slice(None))  # 8 slices
  large = phantoms.brain(4, 48).images(slice(None))  # 16
  halved = large.reshape(4, 8, 2, 24, 2, 24, 2).mean(axis=(2, 4, 6))
  for index in range(4):
    assert np.corrcoef(small[index].ravel(), halved[index].ravel())[0, 1] > 0.97


def test_blood_is_all_that_tells_a_head_from_its_twin(heads):
  for index in range(8):
    ill = brain._head(0, index, 32, index % 4).astype(int)
    twin = brain._head(0, index, 32, None).astype(int)
    np.testing.assert_array_equal(heads.pixels[index], ill)
    changed = ill != twin
    assert 0.005 < changed.mean() < 0.1
    assert (ill >= twin).all()  # fresh blood is dense


def test_every_cause_has_its_place():
  """Where blood lies: height, distance from the midline, how deep, of the same heads."""
  places = []
  for cause in range(4):
    rows = []
    for index in range(20):
      twin = brain._head(3, index, 32, None).astype(float)
      added = (brain._head(3, index, 32, cause) - twin)[..., 0]
      brain_of = np.argwhere(np.ones_like(added))
      z, y, x = np.average(brain_of, axis=0, weights=added.ravel()) / added.shape
      spread = ndimage.label(added > 0.3 * added.max())[1]
      rows.append([z, abs(x - 0.5), np.hypot(x - 0.5, y - 0.5), spread])
    places.append(np.mean(rows, axis=0))
  aneurysm, lobar, moyamoya, deep = places
  assert aneurysm[0] == min(place[0] for place in places)  # at the base
  assert lobar[2] == max(place[2] for place in places)  # farthest from the axis of the head
  assert moyamoya[1] < min(deep[1], lobar[1])  # about the midline
  assert aneurysm[3] > deep[3]  # in several spaces, not one


def test_simple_statistics_do_not_tell_the_causes(heads):
  images = heads.images(slice(None))
  counts = [np.histogram(image, bins=24, range=(0, 1))[0] for image in images]
  moments = np.stack([images.mean(axis=(1, 2, 3, 4)), images.std(axis=(1, 2, 3, 4))], axis=1)
  model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
  blind = cross_val_score(model, np.hstack([counts, moments]), heads.labels, cv=4).mean()
  twins = np.stack([brain._head(0, index, 32, None) for index in range(160)])
  added = (heads.pixels.astype(np.float32) - twins)[..., 0]
  coarse = ndimage.zoom(added, (1, 0.5, 0.25, 0.25), order=1).reshape(160, -1)
  placed = cross_val_score(model, coarse, heads.labels, cv=4).mean()
  assert blind < 0.5
  assert placed > blind + 0.2


def test_two_causes():
  dataset = data.load("brain_binary", image_size=24, num_images=6, seed=2)
  assert dataset.class_names == ("arteriovenous malformation", "hypertension")
  assert dataset.labels.tolist() == [0, 1, 0, 1, 0, 1] and "synthetic" in dataset.name
  np.testing.assert_array_equal(dataset.pixels[1], brain._head(2, 1, 24, 3))


@pytest.mark.parametrize("wrong", [{"num_images": 3}, {"image_size": 15}, {"seed": -1}])
def test_impossible_requests_are_refused(wrong):
  with pytest.raises(InputError, match="at least"):
    phantoms.brain(**wrong)
