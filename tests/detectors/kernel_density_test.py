import dataclasses

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import KernelDensity as ReferenceDensity

from hfc_tf.detectors import kernel_density
from hfc_tf.detectors.gaussians import class_means, spread
from hfc_tf.detectors.kernel_density import METRICS, KernelDensity
from hfc_tf.detectors.learning import select
from hfc_tf.errors import InputError
from hfc_tf.evaluation.metrics import auc_within_class


def change(world, function):
  """The world with `function` applied to all features of the last layer."""

  def apply(taps):
    return dataclasses.replace(
      taps, features={**taps.features, "last": function(taps.features["last"]).astype(np.float32)}
    )

  fields = dataclasses.fields(world)
  return dataclasses.replace(world, **{f.name: apply(getattr(world, f.name)) for f in fields})


@pytest.fixture(scope="module")
def standard(world):
  """The world in units of the deviation within the classes of Train."""
  values, labels = world.train.features["last"], world.train.labels
  return change(
    world, lambda features: features / spread(values, values - class_means(values, labels)[labels])
  )


def expected(world, c, bandwidth, rows):
  reference = ReferenceDensity(bandwidth=bandwidth)
  reference.fit(world.train.features["last"][world.train.labels == c].astype(float))
  channels = world.train.features["last"].shape[1]
  height = -0.5 * channels * np.log(2 * np.pi * bandwidth**2)
  return height - reference.score_samples(world.test_clean.features["last"][rows].astype(float))


def test_equals_scikit_learn(standard):
  world = standard
  detector = KernelDensity(metrics=["standardised"]).fit(world.train, **world.adv_train)
  scores = detector.signs_[0] * detector.score(world.test_clean)
  for c in (0, 1):
    rows = world.test_clean.predictions == c
    bandwidth = np.sqrt(0.5 / detector.precisions_["last"][c])
    np.testing.assert_allclose(
      scores[rows], expected(world, c, bandwidth, rows), rtol=1e-4, atol=1e-4
    )


def test_equation_20_as_printed_equals_scikit_learn(world):
  detector = KernelDensity(form="eq20").fit(world.train, **world.adv_train)
  scores = detector.score(world.test_clean)
  for c in (0, 1):
    rows = world.test_clean.predictions == c
    bandwidth = np.sqrt(0.5 / detector.precisions_["last"][c])
    # scikit-learn's is the mean of normalised kernels; the paper's the sum of kernels.
    count = (world.train.labels == c).sum()
    wanted = expected(world, c, bandwidth, rows) - np.log(count)
    np.testing.assert_allclose(scores[rows], wanted, rtol=1e-4, atol=1e-3)
  chosen = KernelDensity().fit(world.train, **world.adv_train)
  assert not np.allclose(chosen.score(world.test_clean), scores)
  with pytest.raises(InputError, match="form 'chosen' or 'eq20'"):
    KernelDensity(form="eq21").fit(world.train, **world.adv_train)


def test_of_equation_20_a_low_density_is_adversarial_whatever_advtrain_says(world):
  swapped = {**world.adv_train, "clean": world.adversarial, "adversarial": world.clean}
  detector = KernelDensity(form="eq20").fit(world.train, **swapped)
  other = KernelDensity(metrics=["standardised"]).fit(world.train, **swapped)
  assert detector.signs_ == [1.0] and other.signs_ == [-1.0]


def test_bandwidth_is_the_most_likely_for_held_out_images(standard):
  world = standard
  detector = KernelDensity(metrics=["standardised"]).fit(world.train, **world.adv_train)
  for c in (0, 1):
    reference = world.train.features["last"][world.train.labels == c]
    known = world.clean.features["last"][world.clean.predictions == c]
    best = 0.5 / detector.precisions_["last"][c]
    step = 10**0.25  # of the grid of squared bandwidths
    likelihood = [
      ReferenceDensity(bandwidth=np.sqrt(square)).fit(reference).score(known)
      for square in (best / step, best, best * step)
    ]
    assert np.argmax(likelihood) == 1


def test_bandwidth_follows_the_scale_of_the_features(world):
  detector = KernelDensity(metrics=["standardised"]).fit(world.train, **world.adv_train)
  scaled = change(world, lambda values: values * 64)
  again = KernelDensity(metrics=["standardised"]).fit(scaled.train, **scaled.adv_train)
  np.testing.assert_allclose(
    again.score(scaled.test_clean), detector.score(world.test_clean), rtol=1e-3, atol=1e-3
  )


def test_unequal_classes_do_not_shift_scores(world):
  values, labels = world.train.features["last"], world.train.labels
  scales = np.stack([values[labels == c].std(axis=0) for c in (0, 1)])

  def of_one_spread(taps):  # in every class, so that the spread within classes is that of any mix
    last = (taps.features["last"] / scales[taps.predictions]).astype(np.float32)
    return dataclasses.replace(taps, features={**taps.features, "last": last})

  fields = [field.name for field in dataclasses.fields(world)]
  world = dataclasses.replace(world, **{n: of_one_spread(getattr(world, n)) for n in fields})
  twice = np.concatenate([np.arange(len(world.train)), np.flatnonzero(world.train.labels == 1)])
  detector = KernelDensity(metrics=["standardised"]).fit(world.train, **world.adv_train)
  again = KernelDensity(metrics=["standardised"]).fit(world.train[twice], **world.adv_train)
  np.testing.assert_allclose(
    again.score(world.test_clean), detector.score(world.test_clean), rtol=1e-4, atol=1e-4
  )


def test_whitened_distances_are_mahalanobis_distances(world):
  detector = KernelDensity(metrics=["whitened"]).fit(world.train, **world.adv_train)
  matrix = detector.matrix_["last"].astype(float)
  queries, train = world.test_clean[:5].features["last"], world.train.features["last"]
  gaps = (queries[:, None] - train[None]).astype(float)
  residuals = train - class_means(train, world.train.labels)[world.train.labels]
  residuals /= residuals.std(axis=0)
  covariance = LedoitWolf(assume_centered=True).fit(residuals).covariance_
  scale = (train - class_means(train, world.train.labels)[world.train.labels]).std(axis=0)
  inverse = np.linalg.inv(covariance * np.outer(scale, scale))
  np.testing.assert_allclose(
    ((gaps @ matrix) ** 2).sum(axis=2),
    np.einsum("ntc,cd,ntd->nt", gaps, inverse, gaps),
    rtol=1e-3,
  )


def test_coordinates_show_an_attack_on_quiet_channels(world):
  def within(detector):
    clean, adversarial = world.test_clean, world.test_adversarial
    return auc_within_class(
      detector.score(clean),
      clean.predictions,
      detector.score(adversarial),
      adversarial.predictions,
    )

  for metrics in (METRICS, *([metric] for metric in METRICS)):
    assert within(KernelDensity(metrics=metrics).fit(world.train, **world.adv_train)) > 0.95


def test_side_is_learnt(world):
  # Adversarials that sit on the mean of their class are denser than any clean image.
  train = world.train
  means = np.stack([train.features["last"][train.labels == c].mean(axis=0) for c in (0, 1)])

  def dense(taps):
    return dataclasses.replace(
      taps, features={**taps.features, "last": means[taps.predictions].astype(np.float32)}
    )

  detector = KernelDensity(metrics=["standardised"])
  detector.fit(train, clean=world.clean, adversarial=dense(world.adversarial))
  assert detector.signs_ == [-1]
  high = detector.score(dense(world.test_adversarial)).min()
  assert high > np.median(detector.score(world.test_clean))


def test_dead_channels_do_no_harm(world):
  dead = change(world, lambda values: np.where(np.arange(values.shape[1]) < 2, 0, values))
  for metric in ("standardised", "whitened", "compressed"):
    detector = KernelDensity(metrics=[metric]).fit(dead.train, **dead.adv_train)
    assert np.isfinite(detector.score(dead.test_adversarial)).all()


def test_unknown_metric(world):
  for metric in ("cosine", "raw"):  # raw coordinates would depend on the units of channels
    with pytest.raises(InputError, match=metric):
      KernelDensity(metrics=[metric]).fit(world.train, **world.adv_train)


def test_a_folds_bandwidths_know_its_learning_rows_alone(standard, monkeypatch):
  world, seen = standard, []

  def spy(data, candidates, fit_score, seed):
    seen.append((data, fit_score))
    return select(data, candidates, fit_score, seed)

  monkeypatch.setattr(kernel_density, "select", spy)
  KernelDensity(metrics=["standardised"]).fit(world.train, **world.adv_train)
  data, score = seen[-1]
  features, predictions = data.taps.features["last"].astype(float), data.taps.predictions
  learn, held_out = next(data.folds())
  scores = score("standardised", learn, held_out)
  for c in (0, 1):
    train = world.train.features["last"][world.train.labels == c].astype(float)
    clean = np.flatnonzero(data.is_clean & (predictions == c))
    nearest = cdist(features[clean], train, "sqeuclidean").min(axis=1)
    grid = np.median(nearest) / train.shape[1] * np.logspace(-1.5, 1.5, 13)
    densities = [ReferenceDensity(bandwidth=np.sqrt(square)).fit(train) for square in grid]
    known = features[np.intersect1d(clean, learn)]
    best = int(np.argmax([density.score(known) for density in densities]))
    asked = predictions[held_out] == c
    # By hand: scikit-learn's tree loses digits where the density is small.
    exponents = -0.5 * cdist(features[held_out][asked], train, "sqeuclidean") / grid[best]
    expected_scores = np.log(len(train)) - logsumexp(exponents, axis=1)
    np.testing.assert_allclose(scores[asked], expected_scores, rtol=1e-3, atol=1e-3)


def test_every_layer_stands_alone(world):
  every = KernelDensity(layers=["last", "early", "middle"]).fit(world.train, **world.adv_train)
  scores = every.layer_scores(world.test_adversarial)
  assert list(scores) == every.layers_ == ["early", "middle", "last"]  # the network's order
  for name, values in scores.items():
    one = KernelDensity(layers=[name]).fit(world.train, **world.adv_train)
    np.testing.assert_allclose(values, one.score(world.test_adversarial), rtol=1e-4, atol=1e-4)
  penultimate = KernelDensity().fit(world.train, **world.adv_train)
  np.testing.assert_array_equal(every.score(world.test_clean), penultimate.score(world.test_clean))
  assert every.threshold_ == penultimate.threshold_
