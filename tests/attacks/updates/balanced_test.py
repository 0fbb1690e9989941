"""Balanced attacks: the least of a term at which the target is still reached, as a file."""

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.attacks import BIM, CW, DI, FGSM, MIM, PGD, HFCAttack, Least
from hfc_tf.attacks.objectives import HFC, Batch, Margin, SqueezedMargin
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.detectors.squeezing import median, reduce_depth
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import balanced, random_images, train_taps

EPS, STEPS = 8 / 255, 12


@pytest.fixture(scope="module")
def model():
  return TappedModel(balanced())


@pytest.fixture(scope="module")
def hfc(model):
  return HFC(HierarchicalDensity(2).fit(train_taps(model)))


@pytest.fixture(scope="module")
def images():
  return np.round(random_images(count=16) * 255).astype(np.float32) / np.float32(255)


def cost(hfc, model, images, targets):
  energies = hfc.energies(model.taps(images), targets)
  return sum(values / model.widths[name] / 2 for name, values in energies.items())


def test_it_is_the_printed_algorithm(model, hfc, images):
  """Written out once more, step by step and image by image."""
  attack = BIM(model, eps=EPS, steps=STEPS, batch_size=1).balanced(hfc, kappa=0.5, levels=255)
  targets = 1 - model.taps(images).predictions
  for image, target in list(zip(images, targets, strict=True))[:4]:
    clean = tf.constant(image[None])
    batch = Batch(clean, tf.constant([target]), tf.constant([0]))
    state, margin = hfc.prepare(batch), Margin(0.5)
    x, weight, momentum = clean, 3.0, 0.0
    best, lowest, nearest = image, np.inf, np.inf
    for step in range(STEPS + 1):
      with tf.GradientTape() as tape:
        tape.watch(x)
        change = tf.clip_by_value(tf.round((x - clean) * 255), -8.0, 8.0)
        shown = tf.clip_by_value(clean + change / 255, 0.0, 1.0)
        shown = x + tf.stop_gradient(shown - x)
        logits, features = model(shown)
        goal = margin.term((), batch, logits, features)
        term = hfc.term(state, batch, logits, features)
        loss = weight * goal + term
      gradient = tape.gradient(loss, x).numpy()
      value = hfc.value(term, state, features).numpy()[0]
      goal = goal.numpy()[0]
      if goal <= -0.05 and value < lowest:
        best, lowest = shown.numpy()[0], value
      elif goal > -0.05 and np.isinf(lowest) and goal < nearest:
        best, nearest = shown.numpy()[0], goal
      momentum = 0.75 * momentum + gradient / np.abs(gradient).mean()
      size = EPS * (0.5 + (0.02 - 0.5) * step / STEPS)
      x = x - size * np.clip(momentum / (3 * np.abs(momentum).mean()), -1, 1)
      x = tf.clip_by_value(tf.clip_by_value(x, clean - EPS, clean + EPS), 0.0, 1.0)
      weight *= 1.3 if goal > -0.5 else 1 / 1.3
    np.testing.assert_allclose(attack(image[None], [target], [0])[0], best, atol=1e-6)


@pytest.mark.parametrize("levels", [255, 4095, None])
def test_images_are_files_inside_the_ball(model, hfc, images, levels):
  attack = PGD(model, eps=EPS, steps=STEPS).balanced(hfc, levels=levels)
  attacked = attack(images, 1)
  assert np.abs(attacked - images).max() <= EPS + 1e-6
  assert attacked.min() >= 0 and attacked.max() <= 1 and (attacked != images).any()
  if levels:
    steps = (attacked.astype(np.float64) - images) * levels
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)


def test_a_budget_between_two_levels_is_not_exceeded(model, hfc, images):
  attacked = BIM(model, eps=1.7 / 255, steps=STEPS).balanced(hfc, levels=255)(images, 1)
  assert np.abs(attacked - images).max() <= 1 / 255 + 1e-6


def test_a_budget_below_one_level_is_refused(model, hfc):
  with pytest.raises(InputError, match=r"at least a grey level, 1/255 .*found 0\.996"):
    BIM(model, eps=1 / 256, steps=4).balanced(hfc, levels=255)
  attack = BIM(model, eps=1 / 255, steps=4).balanced(hfc, levels=255)
  attack.eps = 0.0
  with pytest.raises(InputError, match="a grey level"):
    attack.eps = 0.5 / 255
  assert BIM(model, eps=1 / 256, steps=4).balanced(hfc, levels=4095).eps == 1 / 256


def test_it_reaches_what_the_base_reaches_and_costs_less(model, hfc, images):
  targets = 1 - model.taps(images).predictions
  base = BIM(model, eps=EPS, steps=40)
  plain, weighted = base(images, targets), (base + hfc)(images, targets)
  balanced = base.balanced(hfc, kappa=0.1)(images, targets)
  reached = [model.taps(each).predictions == targets for each in (plain, weighted, balanced)]
  assert reached[2].sum() >= reached[0].sum()
  both = reached[1] & reached[2]
  costs = [np.median(cost(hfc, model, each, targets)[both]) for each in (weighted, balanced)]
  assert both.any() and costs[1] < costs[0]


def test_hfc_attack_takes_the_weight_balanced(model, hfc, images):
  attack = HFCAttack(model, hfc.density, "mim", "balanced", eps=EPS, steps=STEPS, levels=255)
  same = MIM(model, eps=EPS, steps=STEPS).balanced(hfc, levels=255)
  np.testing.assert_array_equal(attack(images, 1), same(images, 1))
  assert attack.describe() == same.describe()


def test_cw_keeps_its_kappa(model, hfc):
  attack = CW(model, kappa=2.5, steps=4).balanced(hfc)
  assert attack.update.kappa == attack.objective.terms[0].kappa == 2.5


@pytest.mark.parametrize(
  "attack", [lambda m: FGSM(m), lambda m: DI(m), lambda m: CW(m, kappa=0.0)]
)
def test_what_cannot_be_balanced_is_refused(model, hfc, attack):
  with pytest.raises(InputError):
    attack(model).balanced(hfc)
  with pytest.raises(InputError, match="a base among bim"):
    HFCAttack(model, hfc.density, "cw_l2", "balanced", steps=4)
  with pytest.raises(InputError, match="targeted"):
    BIM(model, targeted=False, steps=4).balanced(hfc)
  with pytest.raises(InputError, match="kappa"):
    BIM(model, steps=4).balanced(hfc, kappa=0.0)


def test_squeezed_copies_must_reach_the_target_too(model, hfc, images):
  targets = 1 - model.taps(images).predictions
  term = SqueezedMargin(model, 0.2)
  batch = Batch(None, tf.constant(targets), None, shown=tf.constant(images))
  copies = [images, reduce_depth(images, 4), median(images, 2), median(images, 3)]
  logits = np.stack([model.taps(np.asarray(copy)).logits for copy in copies])  # [4, N, 2]
  rows = np.arange(len(images))
  leads = (logits[:, rows, targets] - logits[:, rows, 1 - targets]).min(0)
  expected = np.maximum(-leads, -0.2)
  actual = term.term((), batch, model(tf.constant(images))[0], {})
  np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)
  base = BIM(model, eps=4 * EPS, steps=40)
  plain = base.balanced(hfc, kappa=0.2)(images, targets)
  agreeing = base.balanced(hfc, kappa=0.2, squeezing=True)(images, targets)
  passes = [
    sum((model.taps(np.asarray(squeeze)).predictions == targets).sum()
        for squeeze in (reduce_depth(each, 4), median(each, 2), median(each, 3)))
    for each in (plain, agreeing)
  ]  # fmt: skip
  assert passes[1] > passes[0]


def test_the_least_change_reaches_what_bim_reaches(model, images):
  targets = 1 - model.taps(images).predictions
  bim, least = (kind(model, eps=EPS, steps=40)(images, targets) for kind in (BIM, Least))
  reached = [model.taps(each).predictions == targets for each in (bim, least)]
  assert reached[1].sum() >= reached[0].sum()
  both = reached[0] & reached[1]
  sizes = [((each - images)[both] ** 2).sum() for each in (bim, least)]
  assert both.any() and sizes[1] < 0.8 * sizes[0]
