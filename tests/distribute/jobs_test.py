"""What a worker runs does what the original does, to the bit."""

import numpy as np
import pytest

from hfc_tf import attacks
from hfc_tf.attacks.export import numbers
from hfc_tf.densities import HierarchicalDensity
from hfc_tf.distribute import Executor, jobs
from hfc_tf.taps import TappedModel
from tests.networks import tiny

SHAPE = (8, 8, 3)
SETTINGS = {"eps": 8 / 256, "steps": 4, "seed": 3}


@pytest.fixture(scope="module")
def model_and_data():
  model = TappedModel(tiny())
  rng = np.random.default_rng(0)
  images = rng.uniform(size=(48, *SHAPE)).astype(np.float32)
  train = model.taps(images, np.arange(48) % 2)
  return model, images, train, HierarchicalDensity(2).fit(train)


def _chunks(attack, images, size):
  for target in (0, 1):
    rows = np.arange(6) + 6 * target
    for start in range(0, 6, size):
      some = rows[start : start + size]  # the last one may be short
      yield {
        "images": images[some],
        "targets": np.full(len(some), target),
        "ids": some,
        **numbers(attack),
      }


def _equal(job, attack, images):
  attack.batch_size = 4
  made = dict(Executor().map(job, _chunks(attack, images, 4)))
  adversarials = np.concatenate([made[number]["images"] for number in range(4)])
  expected = attack(images[:12], np.arange(12) // 6, ids=np.arange(12))
  np.testing.assert_array_equal(adversarials, expected)
  return adversarials


@pytest.mark.parametrize(
  ("name", "more"), [("di", {}), ("pgd", {"restarts": 2}), ("apgd", {}), ("cw_l2", {})]
)
def test_attacks_that_draw_restart_remember_or_have_no_budget(model_and_data, name, more):
  model, images, _, _ = model_and_data
  attack = attacks.named(name)(model, **SETTINGS, **more)
  adversarials = _equal(jobs.attack_job(attack, 4, SHAPE), attack, images)
  assert (adversarials != images[:12]).any()


def test_one_program_serves_weights_and_budgets(model_and_data):
  model, images, _, density = model_and_data
  attack = attacks.HFCAttack(model, density, "pgd", 1.0, **SETTINGS)
  job = jobs.attack_job(attack, 4, SHAPE)
  first = _equal(job, attack, images)
  attack.weights["hfc"], attack.steps, attack.eps, attack.step_size = 0.25, 3, 4 / 256, 0.01
  second = _equal(job, attack, images)
  assert np.abs(first - images[:12]).max() > 1.5 * np.abs(second - images[:12]).max() > 0


def test_taps(model_and_data):
  model, images, train, _ = model_and_data
  job = jobs.taps_job(model, 20, SHAPE)
  groups = np.arange(48) // 2
  blocks = (images[start : start + 7] for start in range(0, 48, 7))  # an archive
  taps = jobs.taps(Executor(), job, model, blocks, train.labels, groups=groups, batch_size=20)
  expected = model.taps(images, train.labels, groups=groups, batch_size=20)
  assert list(taps.features) == list(expected.features)
  for name, values in expected.features.items():
    np.testing.assert_array_equal(taps.features[name], values)
  for name in ("logits", "labels", "groups"):
    np.testing.assert_array_equal(getattr(taps, name), getattr(expected, name))
  assert taps.penultimate == expected.penultimate


def test_an_archive_is_cut_into_batches_as_it_comes():
  read = []

  def archive():
    for start, stop in ((0, 3), (3, 4), (4, 11), (11, 12)):
      read.append(stop)
      yield np.arange(start, stop)

  seen = []
  for chunk in jobs.batches(archive(), 4):
    assert read[-1] <= len(seen) + 4 + 7  # nothing is read ahead beyond the block at hand
    seen += chunk["images"].tolist()
    assert len(chunk["images"]) == 4
  assert seen == list(range(12))
  sizes = [len(chunk["images"]) for chunk in jobs.batches(np.arange(10), 4)]
  assert sizes == [4, 4, 2]
  assert list(jobs.batches(iter([]), 4)) == []
