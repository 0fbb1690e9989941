"""Invariants and identities of the one loop, in two and three dimensions."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.attacks import BIM, FGSM, PGD, HFCAttack, schedule
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import balanced
from tests.networks import tapped, tiny

EPS = 8 / 256


def _images(shape, count, seed=0):
  return np.random.default_rng(seed).uniform(size=(count, *shape)).astype(np.float32)


def _attack(kind, model, **settings):
  settings = {"eps": EPS, "steps": 6, **settings}
  if kind == "hfc":
    images = _images(model.input_shape, 40, seed=9)
    taps = model.taps(images, np.arange(40) % model.num_classes)
    return HFCAttack(model, HierarchicalDensity(2).fit(taps), "bim", **settings)
  return {"bim": BIM, "pgd": PGD}[kind](model, **settings)


def test_hfc_of_weight_zero_is_bim_bit_for_bit():
  model, images = tapped(), _images((8, 8, 3), 6)
  hidden = _attack("hfc", model, weight=0.0)(images, [0, 1, 0, 1, 1, 0])
  plain = _attack("bim", model)(images, [0, 1, 0, 1, 1, 0])
  np.testing.assert_array_equal(hidden, plain)


def test_bim_of_a_linear_model_is_fgsm():
  inputs = keras.Input((4, 4, 1))
  flat = keras.layers.Flatten()(inputs)
  positive = keras.layers.ReLU()(flat)  # images are positive: the identity, but a tap
  model = TappedModel(keras.Model(inputs, keras.layers.Dense(2)(positive)))
  images = np.clip(_images((4, 4, 1), 5), 0.1, 0.9)
  adversarials = BIM(model, eps=EPS, steps=10)(images, 1)
  kernel = model.head[0]
  direction = np.sign(kernel[:, 1] - kernel[:, 0]).reshape(1, 4, 4, 1)
  np.testing.assert_allclose(adversarials, images + EPS * direction, atol=1e-6)
  np.testing.assert_allclose(FGSM(model, eps=EPS)(images, 1), adversarials, atol=1e-6)


def test_steps_follow_equation_3_written_out():
  network = tiny()
  model, images = TappedModel(network), _images((8, 8, 3), 4)
  current = images.copy()
  for _ in range(3):
    x = tf.Variable(current)
    with tf.GradientTape() as tape:
      loss = keras.losses.sparse_categorical_crossentropy(
        tf.ones(4), network(x, training=False), from_logits=True
      )
    current = current - 0.01 * np.sign(tape.gradient(loss, x))
    current = np.clip(np.clip(current, images - EPS, images + EPS), 0, 1).astype(np.float32)
  adversarials = BIM(model, eps=EPS, step_size=0.01, steps=3)(images, 1)
  assert np.mean(np.abs(adversarials - current) > 1e-6) < 0.01  # signs flip near a zero gradient


def test_pgd_starts_on_both_sides_within_the_ball():
  images = np.full((3, 8, 8, 3), 0.5, np.float32)
  start = PGD(tapped(), eps=EPS, steps=1, step_size=1e-9)(images, 1) - images
  assert start.min() < -0.8 * EPS and start.max() > 0.8 * EPS
  assert np.abs(start).max() <= EPS + 1e-6
  assert abs(start.mean()) < 0.1 * EPS


def test_seeds_and_ids_decide_the_draws():
  model, images = tapped(), _images((8, 8, 3), 2)
  first = PGD(model, eps=EPS, steps=2, seed=1)(images, 1)
  np.testing.assert_array_equal(first, PGD(model, eps=EPS, steps=2, seed=1)(images, 1))
  assert (first != PGD(model, eps=EPS, steps=2, seed=2)(images, 1)).any()


def test_restarts_keep_the_best_of_each_sample():
  model, images = TappedModel(balanced()), _images((8, 8, 3), 12)
  targets = 1 - model.taps(images).predictions
  attack = PGD(model, eps=0.05, steps=3)

  def judged(restarts):
    attack.restarts = restarts
    made = attack(images, targets)
    taps = model.taps(made)
    loss = np.log(np.exp(taps.logits).sum(1)) - taps.logits[np.arange(12), targets]
    return made, taps.predictions == targets, loss

  first, once, first_loss = judged(1)
  best, success, loss = judged(5)
  assert not once.all() and (success >= once).all()
  same = success == once
  assert (loss[same] <= first_loss[same] + 1e-6).all() and (loss < first_loss - 1e-3).sum() >= 3
  unchanged = np.abs(loss - first_loss) < 1e-6  # the first run was the best: it comes back
  np.testing.assert_array_equal(first[unchanged], best[unchanged])
  assert np.abs(best - images).max() <= 0.05 + 1e-6
  attack.random_start = False  # of the first run; the others start at random still
  assert (judged(5)[0] != judged(1)[0]).any()


def test_hfc_lowers_its_energy_and_targets_are_reached():
  model, images = tapped(), _images((8, 8, 3), 12)
  labels = model.taps(images).predictions
  plain = _attack("bim", model, eps=0.5, steps=20)(images, 1 - labels)
  assert (model.taps(plain).predictions == 1 - labels).mean() > 0.5
  taps = model.taps(_images((8, 8, 3), 40, seed=9), np.arange(40) % 2)
  density = HierarchicalDensity(2).fit(taps)
  hidden = HFCAttack(model, density, "bim", 5.0, eps=0.1, steps=20)(images, 1 - labels)
  plain = BIM(model, eps=0.1, steps=20)(images, 1 - labels)
  likelihood = [
    sum(v.mean() for v in density.log_prob(model.taps(x).features, 1 - labels).values())
    for x in (plain, hidden)
  ]
  assert likelihood[1] > likelihood[0] + 1


def test_untargeted_attacks_leave_the_class():
  model, images = tapped(), _images((8, 8, 3), 6)
  labels = model.taps(images).predictions
  gone = BIM(model, eps=EPS, steps=10, targeted=False)(images, labels)
  rows = np.arange(6)
  assert (model.taps(gone).logits[rows, labels] < model.taps(images).logits[rows, labels]).all()


def test_ranges_and_types_come_back_as_they_went_in():
  model = TappedModel(tiny(), preprocessing=lambda x: x / 255.0, bounds=(0, 255))
  images = (_images((8, 8, 3), 3) * 255).astype(np.uint8)
  adversarials = BIM(model, eps=4, steps=4)(images, 1)  # in units of the bounds
  assert adversarials.dtype == np.uint8
  assert np.abs(adversarials.astype(int) - images).max() == 4
  unit = BIM(tapped(), eps=4 / 255, steps=4)((images / 255).astype(np.float32), 1)
  assert np.mean(np.abs(np.rint(unit * 255) - adversarials) > 0) < 0.02


def test_eager_and_graph_agree():
  model, images = tapped(), _images((8, 8, 3), 4)
  graph = BIM(model, eps=EPS, steps=4)(images, 1)
  tf.config.run_functions_eagerly(True)
  try:
    eager = BIM(model, eps=EPS, steps=4)(images, 1)
  finally:
    tf.config.run_functions_eagerly(False)
  assert np.mean(np.abs(graph - eager) > 1e-6) < 0.01


def test_xla_agrees_with_the_graph():
  model, images = tapped(), _images((8, 8, 3), 4)
  for steps, differing in ((1, 0.01), (4, 0.1)):  # a sign that flips moves what follows
    settings = {"eps": EPS, "step_size": EPS / 2, "steps": steps}
    graph = PGD(model, **settings, jit_compile=False)(images, 1)
    xla = PGD(model, **settings, jit_compile=True)(images, 1)
    assert np.mean(np.abs(graph - xla) > 1e-6) < differing
    np.testing.assert_allclose(model.taps(graph).logits, model.taps(xla).logits, atol=1e-3)


def test_schedule_of_the_papers():
  assert schedule(1 / 256) == (0.02 / 256, 100)
  assert schedule(4 / 256, steps=40) == (pytest.approx(0.2 / 256), 40)
  assert schedule(1 / 256, step_size=0.1 / 256)[1] == 20


@pytest.mark.parametrize(
  "settings", [{"eps": -0.1}, {"eps": 0.1, "steps": 0}, {"eps": 0.1, "step_size": 0.0}]
)
def test_impossible_schedules_are_refused(settings):
  with pytest.raises(InputError, match="expected"):
    schedule(**settings)


@pytest.mark.parametrize(
  "images,targets,message",
  [
    (np.zeros((2, 9, 8, 3), np.float32), 1, "images of shape"),
    (np.full((2, 8, 8, 3), 2.0, np.float32), 1, "images in"),
    (np.full((2, 8, 8, 3), np.nan, np.float32), 1, "finite images"),
    (np.zeros((2, 8, 8, 3), np.float32), 2, "targets between 0 and 1"),
  ],
)
def test_images_and_targets_that_do_not_fit_are_refused(images, targets, message):
  with pytest.raises(InputError, match=message):
    BIM(tapped(), eps=EPS, steps=2)(images, targets)
