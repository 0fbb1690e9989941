"""The density of all layers, and its energy inside an attack."""

import dataclasses
import logging

import numpy as np
import pytest
import sklearn.mixture
import tensorflow as tf

from hfc_tf.densities import HierarchicalDensity
from hfc_tf.densities.energy import LayerEnergy, energy
from hfc_tf.errors import InputError
from hfc_tf.taps import Taps


def _taps(count=120, widths=(5, 40), seed=0):
  generator = np.random.default_rng(seed)
  labels = np.arange(count) % 3 % 2
  return Taps(
    features={
      f"layer{width}": (
        generator.normal(size=(count, width)) @ generator.normal(size=(width, width))
        + 3 * labels[:, None]
      ).astype(np.float32)
      for width in widths
    },
    logits=np.eye(2, dtype=np.float32)[labels],
    labels=labels.astype(np.int32),
    penultimate=f"layer{widths[-1]}",
  )


def _reference(mixture, features):
  """The form and the choice of TMI Eq. 15 and 16, with dense covariances in float64."""
  components = mixture.distribution.components_distribution
  points = features.astype(np.float64)
  log_joint = np.log(mixture.weights) + components.log_prob(points[:, None]).numpy()
  chosen = log_joint.argmax(1)
  forms, gradients = [], []
  for point, index in zip(points, chosen, strict=True):
    residual = point - components.loc.numpy()[index]
    solved = np.linalg.solve(components.covariance().numpy()[index], residual)
    forms.append(residual @ solved)
    gradients.append(2 * solved)
  return np.array(forms), np.array(gradients)


@pytest.mark.parametrize("count", [120, 60])  # 60: fewer images of class 1 than units
def test_energy_and_its_gradient_equal_the_dense_form(count):
  taps = _taps(count)
  density = HierarchicalDensity(components=3, subspace=4).fit(taps)
  for name, mixtures in density.mixtures_.items():
    layer = LayerEnergy(mixtures)
    for label in (0, 1):
      features = tf.constant(taps.features[name][:9])
      with tf.GradientTape() as tape:
        tape.watch(features)
        values = energy(layer.of_class(tf.constant(label)), features)
      expected, gradient = _reference(mixtures[label], features.numpy())
      np.testing.assert_allclose(values, expected, rtol=1e-4)
      actual = tape.gradient(values, features)
      np.testing.assert_allclose(actual, gradient, rtol=2e-3, atol=1e-4 * np.abs(gradient).max())


def test_wide_layers_with_many_components_cost_little_memory():
  generator = np.random.default_rng(0)
  taps = Taps(
    features={"fc": generator.normal(size=(200, 4096)).astype(np.float32)},
    logits=np.eye(2, dtype=np.float32)[np.arange(200) % 2],
    labels=(np.arange(200) % 2).astype(np.int32),
    penultimate="fc",
  )
  density = HierarchicalDensity(components=64, iterations=3).fit(taps)
  arrays = LayerEnergy(density.mixtures_["fc"]).of_class(tf.constant(0))
  numbers = sum(int(tf.size(value)) for value in arrays.values())
  assert numbers < 4096 * 200  # 64 dense covariances would be 64 * 4096 * 4096


@pytest.mark.parametrize("covariance", ["low_rank", "full"])
def test_save_and_load_give_the_same_density(tmp_path, covariance):
  taps = _taps()
  density = HierarchicalDensity(components=2, covariance=covariance).fit(taps)
  density.save(tmp_path / "density.npz")
  loaded = HierarchicalDensity.load(tmp_path / "density.npz")
  assert loaded.layers == density.layers
  assert loaded.covariance == covariance
  before = density.log_prob(taps.features, taps.labels)
  after = loaded.log_prob(taps.features, taps.labels)
  for name in density.layers:
    np.testing.assert_allclose(after[name], before[name], rtol=1e-5)


def test_normal_images_are_likelier_under_their_own_class():
  taps = _taps(200, widths=(5,))
  density = HierarchicalDensity(components=2).fit(taps)
  same = density.log_prob(taps.features, taps.labels)["layer5"].mean()
  other = density.log_prob(taps.features, 1 - taps.labels)["layer5"].mean()
  assert same > other


@pytest.mark.parametrize("covariance", ["tied", "diag", None])
def test_an_unknown_covariance_is_refused(covariance):
  with pytest.raises(InputError, match="low_rank, full"):
    HierarchicalDensity(covariance=covariance)


def test_full_covariances_are_those_of_scikit_learn_on_narrow_taps_alone(caplog):
  caplog.set_level("WARNING", "absl")
  taps = _taps(600, widths=(5, 128, 129))
  density = HierarchicalDensity(2, covariance="full", seed=3).fit(taps)
  # 200 images of a class, two components of 128 channels.
  assert "of 3 layers 1 are wider than 128 channels and stay low rank, 1 have fewer" in caplog.text
  wide = HierarchicalDensity(2, seed=3).fit(taps)
  sizes = [density.mixtures_[name][0].means.shape[1] for name in taps.features]
  assert sizes == [5, 128, 32]
  full, low_rank = (each.log_prob(taps.features, taps.labels) for each in (density, wide))
  np.testing.assert_array_equal(full["layer129"], low_rank["layer129"])
  for name in ("layer5", "layer128"):
    rows = taps.features[name][taps.labels == 0].astype(np.float64)
    standard = (rows - rows.mean(0)) / rows.std(0)
    expected = sklearn.mixture.GaussianMixture(2, random_state=3).fit(standard)
    volume = np.log(rows.std(0)).sum()
    log_prob = expected.score_samples(standard) - volume
    np.testing.assert_allclose(full[name][taps.labels == 0], log_prob, rtol=1e-6)


def test_full_covariances_stand_channels_that_do_not_move():
  taps = _taps(200, widths=(6,))
  features = taps.features["layer6"].copy()
  features[:, 0] = 0.0  # nowhere
  features[taps.labels == 1, 1] = 5.0  # in one class
  taps = dataclasses.replace(taps, features={"layer6": features})
  density = HierarchicalDensity(2, covariance="full").fit(taps)
  layer = LayerEnergy(density.mixtures_["layer6"])
  values = energy(layer.of_class(tf.constant(1)), tf.constant(features))
  assert np.isfinite(values).all()
  assert np.median(values[taps.labels == 1]) < 20


@pytest.mark.parametrize("components", [0, -1, 2.0, "2", True, None])
def test_components_that_are_no_number_of_them_are_refused(components):
  with pytest.raises(InputError, match="at least one component"):
    HierarchicalDensity(components=components)


@pytest.mark.parametrize(
  ("settings", "message"),
  [
    ({"seed": -1}, "a seed from 0"),
    ({"seed": 0.5}, "a seed from 0"),
    ({"iterations": 0}, "at least one iteration"),
    ({"subspace": 0}, "at least one direction"),
    ({"tolerance": float("nan")}, "tolerance > 0"),
  ],
)
def test_settings_are_refused_in_one_line(settings, message):
  with pytest.raises(InputError, match=message):
    HierarchicalDensity(2, **settings)


def _with(taps, **changes):
  return dataclasses.replace(taps, **{n: change(getattr(taps, n)) for n, change in changes.items()})


@pytest.mark.parametrize(
  ("changes", "message"),
  [
    ({"labels": lambda labels: np.full_like(labels, -1)}, "no labels"),
    ({"labels": lambda labels: labels + 1}, "from 0 to 1"),
    ({"labels": lambda labels: np.eye(2)[labels]}, "argmax"),
    ({"labels": lambda labels: labels[:-1]}, "119 in labels"),
    ({"labels": lambda labels: labels + 0.5}, "whole numbers"),
    ({"labels": lambda labels: (np.arange(len(labels)) == 0) * 1}, "found 1 of class 1"),
    ({"logits": lambda logits: logits[:-1]}, "119 rows"),
    ({"features": lambda f: {n: np.where(v > 0, np.nan, v) for n, v in f.items()}}, "NaN"),
    ({"features": lambda f: {n: v.astype(str) for n, v in f.items()}}, "numbers in layer layer5"),
    ({"features": lambda f: {n: v[0] for n, v in f.items()}}, r"shape \(5,\)"),
  ],
)
def test_taps_that_cannot_be_learnt_from_are_refused(changes, message):
  with pytest.raises(InputError, match=message) as caught:
    HierarchicalDensity(2).fit(_with(_taps(), **changes))
  assert "\n" not in str(caught.value)


def test_repr_says_whether_it_is_fitted():
  density = HierarchicalDensity(2)
  assert repr(density).startswith("HierarchicalDensity(components=2") and "not fit" in repr(density)
  assert "fitted, 2 layers, 2 classes" in repr(density.fit(_taps()))


def test_fitting_leaves_the_root_logger_alone():
  handlers = list(logging.getLogger().handlers)
  HierarchicalDensity(2, iterations=1).fit(_taps())
  assert logging.getLogger().handlers == handlers
