"""Terms of adaptive attacks against NumPy and scikit-learn, and every term's gradient."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.neighbors import KernelDensity

from hfc_tf import detectors
from hfc_tf.attacks import BIM
from hfc_tf.attacks.objectives import (
  HFC,
  KDE,
  LID,
  Batch,
  CrossEntropy,
  DetectorScore,
  FeatureMean,
  Guide,
  Margin,
  TypicalHFC,
)
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import EPS, balanced, random_images, train_taps


class World:
  def __init__(self):
    self.model = TappedModel(balanced())
    self.train = train_taps(self.model, 120)
    self.images = random_images(count=40)
    self.taps = self.model.taps(self.images)
    self.density = HierarchicalDensity(3).fit(self.train)
    attacked = BIM(self.model, eps=0.2, steps=20)(self.images, 1 - self.taps.predictions)
    self.adversarial = self.model.taps(attacked)
    self.detector = detectors.Mahalanobis().fit(
      self.train, clean=self.taps, adversarial=self.adversarial
    )

  def kernel_density(self, form, rows=slice(None)):
    detector = detectors.KernelDensity(form=form)
    return detector.fit(self.train, clean=self.taps[rows], adversarial=self.adversarial[rows])

  def batch(self, rows=slice(0, 5), target=1):
    images = self.images[rows]
    clean = {name: tf.constant(mean[rows]) for name, mean in self.taps.features.items()}
    fill = tf.fill([len(images)], target)
    return Batch(images, fill, tf.range(len(images)), tf.constant(0), clean)


@pytest.fixture(scope="module")
def world():
  return World()


def test_the_stress_test_is_the_mean_of_a_layer(world):
  taps, batch = world.taps[:5], world.batch()
  mean = taps.features["first"].mean(1)
  for sign in (1, -1):
    term = FeatureMean("first", sign).term((), batch, taps.logits, taps.features)
    np.testing.assert_allclose(term, sign * mean, rtol=1e-6)
  with pytest.raises(InputError, match="sign 1"):
    FeatureMean("first", 2)
  down, up = (
    world.model.taps(
      BIM(world.model, FeatureMean("first", sign), eps=EPS, steps=5)(world.images, 0)
    )
    .features["first"]
    .mean()
    for sign in (1, -1)
  )
  assert down < world.taps.features["first"].mean() < up


@pytest.mark.parametrize("form", ["eq20", "chosen"])
def test_kde_attacks_the_density_that_the_detector_scores(world, form):
  detector, taps = world.kernel_density(form), world.taps[:20]
  values = world.train.features[world.train.penultimate]
  wanted = []
  for target in (0, 1):
    kde, batch = KDE(detector), world.batch(slice(0, 20), target)
    term = kde.term(kde.prepare(batch), batch, taps.logits, taps.features)
    wanted.append(np.asarray(term))
    if form == "eq20":
      bandwidth = np.sqrt(0.5 / detector.precisions_[world.train.penultimate][target])
      rows = values[world.train.labels == target].astype(float)
      density = KernelDensity(bandwidth=bandwidth).fit(rows)
      expected = density.score_samples(taps.features[taps.penultimate].astype(float))
      expected += 0.5 * values.shape[1] * np.log(2 * np.pi * bandwidth**2) + np.log(len(rows))
      np.testing.assert_allclose(term, -expected, rtol=1e-3, atol=1e-3)
  # Once the target class is predicted, what is lowered is what the detector says.
  scores = np.where(taps.predictions == 0, *wanted)
  np.testing.assert_allclose(scores, detector.score(taps), rtol=1e-5, atol=1e-5)


def test_a_term_of_a_detector_is_described_by_what_it_has_learnt(world):
  detector, other = world.kernel_density("eq20"), world.kernel_density("eq20", slice(0, 30))
  for term in (DetectorScore, KDE):
    first, second = (term(each).description for each in (detector, other))
    assert first == term(world.kernel_density("eq20")).description != second


def test_lid_is_equation_22_written_out(world):
  lid, taps = LID(world.train, k=10, reference=50, seed=3), world.taps[:5]
  rows = np.random.default_rng(3).permutation(120)[:50]
  expected = np.zeros(5)
  for name in world.model.layers:
    reference = world.train.features[name][rows].astype(np.float64)
    distances = np.linalg.norm(taps.features[name][:, None] - reference, axis=2)
    nearest = np.sort(distances, 1)[:, :10]
    expected += -1 / np.log(nearest / nearest[:, -1:]).mean(1) / len(world.model.layers)
  batch = world.batch()
  np.testing.assert_allclose(lid.term((), batch, taps.logits, taps.features), expected, rtol=1e-3)
  with pytest.raises(InputError, match="images of Train"):
    LID(world.train, reference=500)


@pytest.mark.parametrize("choice", ["random", "closest"])
def test_guides_are_train_images_of_the_target_class(world, choice):
  layers = ["first", world.train.penultimate]
  guide, rows = Guide(world.train, choice, layers), slice(0, 40)
  picked = []
  for target in (0, 1):
    batch = world.batch(rows, target)
    state = guide.prepare(batch)
    candidates = np.flatnonzero(world.train.labels == target)
    total = np.zeros((40, len(candidates)))
    chosen = []
    for name in layers:
      values = world.train.features[name].astype(np.float64)
      variance = values.var(0).sum()
      guides = state[name].numpy() + values.mean(0)
      matches = np.abs(guides[:, None] - values[candidates]).max(2)  # [B, T_c]
      assert (matches.min(1) < 1e-4).all()
      chosen.append(matches.argmin(1))
      difference = world.taps.features[name][:, None] - values[candidates]
      total += (difference**2).sum(2) / variance
    np.testing.assert_array_equal(chosen[0], chosen[1])
    term = guide.term(state, batch, world.taps.logits, world.taps.features)
    np.testing.assert_allclose(term, total[np.arange(40), chosen[0]] / 2, rtol=1e-3)
    if choice == "closest":
      np.testing.assert_array_equal(chosen[0], total.argmin(1))
    picked.append(len(set(chosen[0])))
  assert min(picked) > (15 if choice == "random" else 1)
  assert guide.reads_clean == (choice == "closest")


def test_guides_that_do_not_exist_are_refused(world):
  with pytest.raises(InputError, match="'random' or 'closest'"):
    Guide(world.train, "next")
  with pytest.raises(InputError, match="a layer among first"):
    Guide(world.train, layers=["last"])
  with pytest.raises(InputError, match="each of them"):
    Guide(world.train[world.train.labels == 0])


@pytest.mark.parametrize("name", ["guide", "closest", "kde", "lid", "detector"])
def test_each_added_term_lowers_itself(world, name):
  term = {
    "guide": lambda: Guide(world.train),
    "closest": lambda: Guide(world.train, "closest", weight=2.0),
    "kde": lambda: KDE(world.kernel_density("chosen")),
    "lid": lambda: LID(world.train, k=10, reference=50),
    "detector": lambda: DetectorScore(world.detector),
  }[name]()
  plain = BIM(world.model, eps=EPS, steps=10)
  hidden = plain + 20.0 * term
  batch = world.batch(slice(0, 8))
  state = term.prepare(batch)
  values = []
  for attack in (plain, hidden):
    logits, features = world.model(tf.constant(attack(world.images[:8], 1)))
    values.append(np.mean(term.term(state, batch, logits, features)))
  assert values[1] < values[0]


@pytest.mark.parametrize(
  "make",
  [
    lambda world: CrossEntropy(),
    lambda world: Margin(50.0),
    lambda world: FeatureMean("first"),
    lambda world: HFC(world.density),
    lambda world: TypicalHFC(world.density, world.train),
    lambda world: Guide(world.train, layers=world.train.features),
    lambda world: KDE(world.kernel_density("chosen")),
    lambda world: LID(world.train, k=10, reference=50),
    lambda world: DetectorScore(world.detector),
  ],
  ids=[
    "cross_entropy",
    "margin",
    "feature_mean",
    "hfc",
    "typical",
    "guide",
    "kde",
    "lid",
    "detector",
  ],
)
def test_gradients_against_central_differences(world, make):
  term, batch = make(world), world.batch()
  state = term.prepare(batch)
  inputs = {name: tf.constant(mean[:5]) for name, mean in world.taps.features.items()}
  inputs["logits"] = tf.constant(world.taps[:5].logits)
  generator = np.random.default_rng(0)
  for _ in range(3):
    direction = {
      name: tf.constant(generator.normal(size=x.shape) * np.std(x, 0), tf.float32)
      for name, x in inputs.items()
    }

    def value(shift, direction=direction):
      moved = {name: x + shift[:, None] * direction[name] for name, x in inputs.items()}
      return term.term(state, batch, moved["logits"], moved)

    shift = tf.zeros([5])
    with tf.GradientTape() as tape:
      tape.watch(shift)
      loss = value(shift)
    slope = tape.gradient(loss, shift).numpy()
    h = 5e-4
    difference = (value(shift + h) - value(shift - h)).numpy() / (2 * h)
    np.testing.assert_allclose(difference, slope, rtol=0.03, atol=0.01 * np.abs(slope).max())
