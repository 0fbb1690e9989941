import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hfc_tf.detectors.learning import (
  AdvTrain,
  balanced_weights,
  fit_logistic,
  learn_logistic,
  learn_sign,
  logistic_score,
  select,
)
from hfc_tf.errors import InputError


def test_balanced_weights_hide_the_predicted_class():
  predictions = np.array([0] * 10 + [1] * 4 + [0] * 2 + [1] * 8 + [2] * 3)
  is_adversarial = np.array([False] * 14 + [True] * 10 + [True] * 3)
  weights = balanced_weights(predictions, is_adversarial)
  sums = {
    (c, kind): weights[(predictions == c) & (is_adversarial == kind)].sum()
    for c in (0, 1, 2)
    for kind in (False, True)
  }
  assert len({round(sums[c, kind], 9) for c in (0, 1) for kind in (False, True)}) == 1
  assert sums[2, True] == 0 and weights.mean() == pytest.approx(1)


def test_head_learns_nothing_from_the_predicted_class(world):
  data = AdvTrain.of(world.clean, world.noisy, world.adversarial)
  label = data.taps.predictions[:, None].astype(float)
  rows = np.arange(len(label))
  weighted = fit_logistic(label, data.is_adversarial, data.weights(rows), 1.0)
  plain = fit_logistic(label, data.is_adversarial, np.ones(len(label)), 1.0)
  assert abs(weighted["coefficients"]) < 1e-4 < 0.3 < abs(plain["coefficients"])


def test_folds_keep_groups_together_and_cover_all(world):
  data = AdvTrain.of(world.clean, world.noisy, world.adversarial)
  folds = list(data.folds())
  assert len(folds) == 5
  np.testing.assert_array_equal(
    np.sort(np.concatenate([held_out for _, held_out in folds])), np.arange(len(data.taps))
  )
  for learn, held_out in folds:
    assert not np.intersect1d(data.groups[learn], data.groups[held_out]).size
    assert data.is_adversarial[learn].any() and data.is_clean[held_out].any()


def test_rows_of_one_image_share_a_group_without_groups(world):
  def bare(taps):
    return dataclasses.replace(taps, groups=None)

  clean, noisy, adversarial = map(bare, (world.clean, world.noisy, world.adversarial))
  n = len(clean)
  groups = AdvTrain.of(clean, noisy, adversarial).groups.reshape(3, n)
  assert (groups == np.arange(n)).all()
  mine = dataclasses.replace(clean, groups=np.arange(n) + 7)
  groups = AdvTrain.of(mine, noisy, adversarial).groups.reshape(3, n)
  assert (groups == np.arange(n) + 7).all()


def test_a_part_of_other_length_needs_groups(world):
  def bare(taps):
    return dataclasses.replace(taps, groups=None)

  fooled = world.adversarial[5:40]
  for clean, adversarial in (
    (bare(world.clean), bare(fooled)),
    (world.clean, bare(fooled)),
    (bare(world.clean), fooled),
  ):
    with pytest.raises(InputError, match="groups that tell which clean image each adversarial"):
      AdvTrain.of(clean, None, adversarial)
  groups = AdvTrain.of(world.clean, None, fooled).groups
  np.testing.assert_array_equal(groups, [*world.clean.groups, *fooled.groups])


def test_an_attack_that_never_worked_is_named(world):
  with pytest.raises(InputError, match="too weak"):
    AdvTrain.of(world.clean, world.noisy, world.adversarial[:0])


def test_noisy_rows_are_negatives_but_no_clean_ones(world):
  data = AdvTrain.of(world.clean, world.noisy, world.adversarial)
  n = len(world.clean)
  assert not data.is_adversarial[: 2 * n].any() and data.is_adversarial[2 * n :].all()
  assert data.is_clean[:n].all() and not data.is_clean[n:].any()
  np.testing.assert_array_equal(data.taps.logits[n : 2 * n], world.noisy.logits)


def test_select_takes_the_best_within_class_and_never_shows_held_out_rows(world):
  data = AdvTrain.of(world.clean, world.noisy, world.adversarial)
  truth = data.is_adversarial.astype(float)
  noise = np.random.default_rng(0).normal(size=len(truth))
  values = {"label": -data.taps.predictions, "noise": noise, "truth": truth + 0.1 * noise}
  seen = []

  def fit_score(candidate, learn, held_out):
    seen.append((learn, held_out))
    return values[candidate][held_out]

  best, scores = select(data, list(values), fit_score)
  assert best == "truth"
  np.testing.assert_array_equal(scores, values["truth"])
  assert all(not np.intersect1d(learn, held_out).size for learn, held_out in seen)
  assert select(data, ["truth", "same"], lambda c, _, held: truth[held])[0] == "truth"


def test_logistic_head_equals_scikit_learn():
  rng = np.random.default_rng(0)
  values = rng.normal(size=[200, 7]) * [1, 10, 100, 1, 1, 1e-3, 5] + 50
  truth = values[:, 1] + rng.normal(size=200) * 10 > 50
  weights = rng.uniform(0.5, 2, 200)
  model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, tol=1e-10, max_iter=5000))
  model.fit(values, truth, logisticregression__sample_weight=weights)
  head = fit_logistic(values, truth, weights, 0.3)
  np.testing.assert_allclose(
    logistic_score(head, values), model.decision_function(values), rtol=1e-4, atol=1e-4
  )


def test_scaler_and_head_of_a_fold_know_its_rows_alone(world):
  data = AdvTrain.of(world.clean, world.noisy, world.adversarial)
  values = data.taps.features["last"].astype(float)
  learn, held_out = next(data.folds())
  _, _, scores = learn_logistic(data, {"": values}, [1.0])
  changed = values.copy()
  changed[held_out] = changed[held_out] * 100 + 1000
  head = fit_logistic(values[learn], data.is_adversarial[learn], data.weights(learn), 1.0)
  _, _, after = learn_logistic(data, {"": changed}, [1.0])
  np.testing.assert_allclose(scores[held_out], logistic_score(head, values[held_out]))
  np.testing.assert_allclose(after[held_out], logistic_score(head, changed[held_out]))


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_sign_is_learnt(world, side):
  data = AdvTrain.of(world.clean, world.noisy, world.adversarial)
  values = side * (data.is_adversarial + np.random.default_rng(0).normal(size=len(data.taps)) / 2)
  assert learn_sign(data, values) == side
  rows = np.flatnonzero(np.arange(len(values)) % 2)
  assert learn_sign(data, values[rows], rows) == side
