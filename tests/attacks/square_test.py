"""The attack without gradients."""

import numpy as np
import pytest

from hfc_tf.attacks import BIM, Square
from hfc_tf.attacks.objectives import HFC, CrossEntropy
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import EPS, balanced, random_images, train_taps


@pytest.fixture(scope="module")
def world():
  model = TappedModel(balanced())
  images = random_images(count=12)
  return model, images, 1 - model.taps(images).predictions


def test_it_reaches_classes_within_the_ball(world):
  model, images, targets = world
  made = Square(model, eps=0.2, steps=200)(images, targets)
  assert np.abs(made - images).max() <= 0.2 + 1e-6 and 0 <= made.min() <= made.max() <= 1
  assert (model.taps(made).predictions == targets).mean() >= 0.75
  np.testing.assert_array_equal(Square(model, eps=0, steps=5)(images, targets), images)


def test_more_queries_never_raise_the_objective_and_draws_do_not_hang_on_chunks(world):
  model, images, targets = world
  made = [Square(model, eps=EPS, steps=9, batch_size=size)(images, targets) for size in (12, 5)]
  np.testing.assert_allclose(*made, atol=1e-6)
  clean, few = (_loss(model, each, targets) for each in (images, made[0]))
  assert (few <= clean + 1e-5).all()


def _loss(model, images, targets):
  logits = model.taps(images).logits
  return np.log(np.exp(logits).sum(1)) - logits[np.arange(len(logits)), targets]


def test_it_lowers_the_joint_objective_of_hfc_and_the_gradient_lowers_it_more(world):
  model, images, targets = world
  hfc = HFC(HierarchicalDensity(2).fit(train_taps(model)))
  joint = CrossEntropy() + hfc

  def energy(each):
    taps = model.taps(each)
    widths = model.widths
    energies = hfc.energies(taps, targets)
    return _loss(model, each, targets) + sum(energies[n] / (2 * widths[n]) for n in energies)

  searched = energy(Square(model, joint, eps=0.1, steps=150)(images, targets)).mean()
  followed = energy((BIM(model, eps=0.1, steps=40) + hfc)(images, targets)).mean()
  assert followed < searched < energy(images).mean()


def test_volumes_and_untargeted():
  model = TappedModel(balanced((8, 8, 8, 1)))
  volumes = random_images((8, 8, 8, 1))
  labels = model.taps(volumes).predictions
  made = Square(model, eps=0.2, steps=80, targeted=False)(volumes, labels)
  assert made.shape == volumes.shape
  assert (model.taps(made).predictions != labels).any()


def test_no_step_size(world):
  with pytest.raises(InputError, match="no step size"):
    Square(world[0], eps=EPS, step_size=0.1)
