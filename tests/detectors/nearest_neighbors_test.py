import dataclasses

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors as ReferenceNeighbors

from hfc_tf.detectors.nearest_neighbors import NearestNeighbors
from hfc_tf.errors import InputError
from hfc_tf.evaluation.metrics import auc_within_class


def early_stays(world):
  """The attack changes the last layer alone: before it, the image looks like its own class."""

  def undone(taps):
    features = dict(taps.features)
    for name in ("early", "middle"):
      means = [world.train.features[name][world.train.labels == c].mean(axis=0) for c in (0, 1)]
      gap = np.stack(means)[taps.labels] - np.stack(means)[taps.predictions]
      features[name] = (taps.features[name] + gap).astype(np.float32)
    return dataclasses.replace(taps, features=features)

  return dataclasses.replace(
    world,
    adversarial=undone(world.adversarial),
    test_adversarial=undone(world.test_adversarial),
  )


def counts(world, detector, taps, classes):
  """Neighbours of another class, by scikit-learn."""
  columns = []
  for name in detector.layers_:
    train = world.train.features[name].astype(float)
    centred = (taps.features[name] - train.mean(axis=0)) / train.std(axis=0)
    near = ReferenceNeighbors(n_neighbors=detector.k_, metric="cosine")
    indices = near.fit(detector.reference_[name]).kneighbors(centred, return_distance=False)
    columns.append((detector.labels_[indices] != classes[:, None]).sum(axis=1))
  return np.stack(columns, axis=1)


def test_equals_scikit_learn(world):
  detector = NearestNeighbors(k=15).fit(world.train, **world.adv_train)
  taps = early_stays(world).test_adversarial
  expected = counts(world, detector, taps, taps.predictions)
  assert 0 < expected.mean() < 15
  layers = detector.layer_scores(taps)
  np.testing.assert_allclose(np.stack(list(layers.values()), axis=1), expected / 15, atol=1e-6)
  known, nonconformities = detector.nonconformities_, expected.sum(axis=1)
  credibility = np.array([np.mean(known >= one) for one in nonconformities])
  scores = detector.score(taps)
  below_one_image = scores - (1 - credibility)
  assert (below_one_image >= -1e-6).all() and (below_one_image < 1 / len(known)).all()
  # Ties are broken by the nonconformity, and nothing else is reordered.
  assert (np.diff(scores[np.argsort(nonconformities, kind="stable")]) >= 0).all()
  assert len(np.unique(scores)) == len(np.unique(nonconformities))


def test_calibration_images_are_train_images_outside_of_the_reference(world):
  detector = NearestNeighbors(k=15).fit(world.train, **world.adv_train)
  centred = (world.train.features["last"] - detector.center_["last"]) / detector.scale_["last"]
  unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
  gaps = np.abs(unit[:, None] - detector.reference_["last"][None]).max(axis=2)  # [T, R]
  held_out = gaps.min(axis=1) > 1e-6
  assert held_out.sum() == len(detector.nonconformities_) == 48
  asked = world.train[held_out]
  expected = counts(world, detector, asked, asked.labels).sum(axis=1)
  np.testing.assert_array_equal(detector.nonconformities_, np.sort(expected))
  share = detector.labels_.mean()
  assert share == pytest.approx(world.train.labels.mean(), abs=0.01)


def test_sees_an_attack_whose_early_layers_disagree(world):
  changed = early_stays(world)
  detector = NearestNeighbors().fit(changed.train, **changed.adv_train)
  clean, adversarial = changed.test_clean, changed.test_adversarial
  area = auc_within_class(
    detector.score(clean), clean.predictions, detector.score(adversarial), adversarial.predictions
  )
  assert area > 0.95 and detector.k_ in (10, 25, 50)


def test_reference_size_is_a_limit(world):
  detector = NearestNeighbors(k=10, reference_size=50).fit(world.train, **world.adv_train)
  assert len(detector.labels_) == 50
  assert detector.labels_.mean() == pytest.approx(world.train.labels.mean(), abs=0.03)


def test_refuses_more_neighbours_than_references(world):
  with pytest.raises(InputError, match="between 1 and 40 neighbours"):
    NearestNeighbors(reference_size=40).fit(world.train, **world.adv_train)
