"""Auto-PGD's step, by hand and with HFC."""

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.attacks import APGD, PGD
from hfc_tf.attacks.objectives import HFC, Batch, CrossEntropy, Margin
from hfc_tf.attacks.updates import AutoStep, Here
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import balanced, random_images, train_taps


def test_steps_and_halvings_computed_by_hand():
  # J = |x| from 0.1 with eta = 0.4; of 10 steps the checkpoints are 2, 3, 4, ...
  points = [0.1, -0.3, -0.1, 0.05, -0.1125, -0.025]
  step_sizes = [0.4, 0.4, 0.2, 0.2, 0.1, 0.1]  # after each point is seen
  # 2: one gain of two steps is at most 75 %: halved, on from 0.1. 3: one of one: kept.
  # 4: none of one: halved, on from 0.05. 5: kept.
  best = [0.1, 0.1, 0.1, 0.05, 0.05, -0.025]
  update, steps = AutoStep(), tf.constant(10)
  images = tf.constant([[[[0.1]]]])
  state = update.init(images, 1, tf.constant(0.4), steps)
  for step in range(6):
    np.testing.assert_allclose(images, [[[[points[step]]]]], atol=1e-6)
    here = Here(
      images,
      [tf.sign(images)],
      tf.reshape(tf.abs(images), [1, 1]),
      None,
      tf.constant(step),
      steps,
      None,
      lambda x: tf.clip_by_value(x, -1.0, 1.0),
    )
    images, state = update.step(here, state)
    np.testing.assert_allclose(state.step_size, [step_sizes[step]])
    np.testing.assert_allclose(update.result(images, state), [[[[best[step]]]]], atol=1e-6)


def test_checkpoints_of_a_hundred_steps_are_those_of_the_paper():
  update, steps = AutoStep(), tf.constant(100)
  image = tf.zeros([1, 1, 1, 1])
  state, seen = update.init(image, 1, 1.0, steps), []
  for step in range(101):
    if step == int(state.checkpoint):
      seen.append(step)
    values = tf.constant([[-float(step)]])  # ever better: nothing to halve
    here = Here(image, [image], values, None, tf.constant(step), steps, None, lambda x: x)
    _, state = update.step(here, state)
  # Lengths 22, 19, 16, ..., 7, then 6.
  assert seen == [22, 41, 57, 70, 80, 87, 93, 99]
  assert float(state.step_size[0]) == 1.0


def test_a_search_that_stands_still_is_halved_every_other_time():
  update, steps = AutoStep(), tf.constant(100)
  image = tf.zeros([1, 1, 1, 1])
  state, sizes = update.init(image, 1, 1.0, steps), []
  for step in range(100):
    # Gains at each step but the first after a checkpoint, and never a new best point.
    fresh = step in (0, 1, 23, 42, 58, 71, 81)
    values = tf.constant([[0.0 if step == 0 else 1000.0 if fresh else 1000.0 - step]])
    here = Here(image, [image], values, None, tf.constant(step), steps, None, lambda x: x)
    _, state = update.step(here, state)
    if step in (22, 41, 57, 70):
      sizes.append(float(state.step_size[0]))
  assert sizes == [0.5, 0.5, 0.25, 0.25]


@pytest.fixture(scope="module")
def world():
  model = TappedModel(balanced())
  images = random_images(count=16)
  return model, images, 1 - model.taps(images).predictions


def _loss(model, objective, images, targets):
  batch = Batch(images, tf.constant(targets), tf.range(len(images)))
  logits, features = model(tf.constant(images))
  total = 0.0
  for summand in objective.terms:
    values = []
    for row, target in enumerate(targets):
      one = Batch(images[row : row + 1], tf.constant([target]), tf.constant([row]))
      mine = {name: mean[row : row + 1] for name, mean in features.items()}
      state = summand.prepare(one)
      term = summand.term(state, one, logits[row : row + 1], mine)
      values.append(float(summand.value(term, state, mine)[0]))
    total = total + summand.weight * np.array(values)
  assert len(batch.ids) == len(total)
  return total


@pytest.mark.parametrize("kind", ["cross-entropy", "margin", "hfc"])
def test_it_ends_no_higher_than_pgd(world, kind):
  model, images, targets = world
  objective = {
    "cross-entropy": CrossEntropy(),
    "margin": Margin(),
    "hfc": CrossEntropy() + HFC(HierarchicalDensity(4).fit(train_taps(model, 200))),
  }[kind]
  settings = {"eps": 0.1, "steps": 50, "random_start": False}
  auto = _loss(model, objective, APGD(model, objective, **settings)(images, targets), targets)
  plain = _loss(model, objective, PGD(model, objective, **settings)(images, targets), targets)
  assert auto.mean() <= plain.mean() + 1e-6
  # A sample may find another basin; few of those are worth less by more than 2 %.
  assert np.mean(auto <= plain + 0.02 * np.abs(plain)) >= 0.75

def test_naive_progress_is_the_plain_sum_and_differs_only_where_components_change(world):
  model, images, targets = world
  settings = {"eps": 0.1, "steps": 30}
  several, single = (HFC(HierarchicalDensity(m).fit(train_taps(model, 200))) for m in (8, 1))
  made = {
    (naive, term): (APGD(model, naive=naive, **settings) + term if term else
                    APGD(model, naive=naive, **settings))
    for naive in (False, True) for term in (None, single, several)
  }  # fmt: skip
  for term, differ in ((None, False), (single, False), (several, True)):
    ours, naive = (made[each, term](images, targets) for each in (False, True))
    assert (ours != naive).any() == differ
  # One checkpoint sees the terms as they are, the other what tells points apart.
  attack, batch = made[True, several], Batch(images[:4], tf.ones(4, tf.int32), tf.range(4))
  states = [term.prepare(batch) for term in attack.objective.terms]
  logits, features = model(tf.constant(images[:4]))
  terms = attack._terms(states, batch, logits, features)
  weights = tf.constant([1.0, 0.5])
  values = attack._values(terms, states, features, weights)
  np.testing.assert_allclose(values, np.stack(terms) * [[1.0], [0.5]], rtol=1e-6)
  others = made[False, several]._values(terms, states, features, weights)
  assert np.abs(values[1] - others[1]).max() > 1e-3
