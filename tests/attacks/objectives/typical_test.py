"""The constraint around typical features."""

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.attacks import BIM, HFCAttack
from hfc_tf.attacks.objectives import HFC, Batch, TypicalHFC
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import EPS, balanced, random_images, train_taps


@pytest.fixture(scope="module")
def model():
  return TappedModel(balanced())


@pytest.fixture(scope="module")
def train(model):
  return train_taps(model, 60)


@pytest.fixture(scope="module", params=["low_rank", "full"])
def density(request, train):
  return HierarchicalDensity(3, covariance=request.param).fit(train)


def _batch(count, seed=0):
  images = tf.constant(random_images(count=count))
  return Batch(images, tf.ones(count, tf.int32), tf.range(count), tf.constant(seed))


def test_each_sample_is_asked_for_the_energies_of_a_clean_image_of_its_target(
  model, density, train
):
  term, batch = TypicalHFC(density, train), _batch(40)
  _, wanted = term.prepare(batch)
  right = np.flatnonzero((train.labels == 1) & (train.predictions == 1))
  usual = HFC(density).energies(train[right], np.ones(len(right), int))
  wanted = np.stack([wanted[name] for name in usual], 1)  # [B, L]
  usual = np.stack(list(usual.values()), 1)  # [N, L]
  apart = np.abs(wanted[:, None] - usual).max(2) / usual.max()  # one image on every layer
  assert apart.min(1).max() < 1e-5 and len(set(apart.argmin(1))) > 10


def test_the_equation_written_out(model, density, train):
  batch = _batch(6)
  _, features = model(batch.images)
  term, papers = TypicalHFC(density, train), HFC(density)
  mixtures, wanted = term.prepare(batch)
  energies = papers.energies(model.taps(batch.images), np.ones(6, int))
  expected = sum(
    np.abs(energies[name] - wanted[name].numpy()) / model.widths[name] / 2 for name in energies
  )
  actual = term.term((mixtures, wanted), batch, None, features)
  np.testing.assert_allclose(actual, expected, rtol=1e-4)
  np.testing.assert_array_equal(term.value(actual, (mixtures, wanted), features), actual)


def test_draws_are_keyed_by_seed_and_id_alone(density, train):
  term = TypicalHFC(density, train)
  layer = next(iter(density.mixtures_))
  every = term.prepare(_batch(8))[1][layer].numpy()
  some = _batch(8)._replace(ids=tf.constant([5, 2]), targets=tf.ones(2, tf.int32))
  np.testing.assert_array_equal(term.prepare(some)[1][layer], every[[5, 2]])
  assert (term.prepare(_batch(8, seed=1))[1][layer].numpy() != every).any()


def test_its_margin_replaces_the_attacks_loss(model, density, train):
  images = random_images(count=8)
  attack = HFCAttack(
    model, density, "bim", aim="typical", train=train, margin=2.0, eps=EPS, steps=8, weight=0.1
  )
  assert attack.weights == {"margin": 1.0, "hfc": 0.1}
  joined = BIM(model, eps=EPS, steps=8) + TypicalHFC(density, train, 0.1, margin=2.0)
  np.testing.assert_array_equal(attack(images, 1), joined(images, 1))
  assert attack.describe() == joined.describe()
  mode = HFCAttack(model, density, "bim", eps=EPS, steps=8)
  assert mode.weights == {"cross_entropy": 1.0, "hfc": 1.0}


def test_what_it_cannot_aim_at_is_refused(model, density, train):
  with pytest.raises(InputError, match="clean Train taps"):
    HFCAttack(model, density, aim="typical")
  with pytest.raises(InputError, match="aim among"):
    HFCAttack(model, density, aim="mean")
  with pytest.raises(InputError, match="that the model gets right"):
    TypicalHFC(density, train[train.labels == 0])
  with pytest.raises(InputError, match="kappa >= 0"):
    TypicalHFC(density, train, margin=-1.0)
