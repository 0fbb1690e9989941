import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from hfc_tf.errors import InputError
from hfc_tf.evaluation import metrics


def draw(seed, clean=60, adversarial=50, shift=1.0):
  rng = np.random.default_rng(seed)
  # Rounded, so that scores tie.
  return rng.normal(size=clean).round(1), rng.normal(shift, size=adversarial).round(1)


def pairs(clean, adversarial):
  wins = [(a > c) + 0.5 * (a == c) for a in adversarial for c in clean]
  return np.mean(wins)


@pytest.mark.parametrize("seed", range(3))
def test_auc_counts_pairs(seed):
  clean, adversarial = draw(seed)
  assert metrics.auc(clean, adversarial) == pytest.approx(pairs(clean, adversarial))


def test_auc_of_nothing():
  assert metrics.auc(np.zeros(0), np.ones(3)) is None
  assert metrics.two_sided(None) is None
  assert metrics.tpr_at_tnr(np.ones(3), np.zeros(0)) is None
  assert metrics.wilson(0, 0) is None
  with pytest.raises(InputError, match="clean scores"):
    metrics.threshold_at_tnr(np.zeros(0))


def test_auc_within_class_is_the_mean_over_classes():
  clean, adversarial = draw(1)
  c, a = np.arange(60) % 3, np.arange(50) % 2 * 2  # class 1 has no adversarials
  expected = np.mean([pairs(clean[c == k], adversarial[a == k]) for k in (0, 2)])
  assert metrics.auc_within_class(clean, c, adversarial, a) == pytest.approx(expected)
  assert metrics.auc_within_class(clean, np.zeros(60), adversarial, np.ones(50)) is None


def test_predicted_class_alone_is_worth_nothing_within_class():
  # 73 % of the images are of class 1, and a targeted flip inverts the mix.
  clean_predictions = (np.arange(100) < 73).astype(int)
  adversarial_predictions = 1 - clean_predictions
  clean, adversarial = -clean_predictions, -adversarial_predictions
  assert metrics.auc(clean, adversarial) == pytest.approx(0.73)
  within = metrics.auc_within_class(clean, clean_predictions, adversarial, adversarial_predictions)
  assert within == 0.5


@pytest.mark.parametrize("area", [0.02, 0.5, 0.98])
def test_two_sided(area):
  assert metrics.two_sided(area) == max(area, 1 - area)


@pytest.mark.parametrize("seed", range(20))
def test_auc_is_at_least_the_true_positives_above_the_kept_clean_images(seed):
  rng = np.random.default_rng(seed)
  clean, adversarial = draw(seed, *rng.integers(1, 80, 2), shift=rng.normal())
  tpr = metrics.tpr_at_tnr(clean, adversarial)
  assert metrics.auc(clean, adversarial) >= 0.9 * tpr - 1e-12
  assert np.mean(clean <= metrics.threshold_at_tnr(clean)) >= 0.9


def test_threshold_is_the_smallest_that_keeps_enough():
  assert metrics.threshold_at_tnr(np.arange(1, 11)[::-1]) == 9
  assert metrics.threshold_at_tnr(np.arange(1, 12)) == 10
  clean, adversarial = np.arange(1, 11), np.array([9, 9.5, 20])
  assert metrics.tpr_at_tnr(clean, adversarial) == pytest.approx(2 / 3)
  assert metrics.tpr_at_tnr(clean, adversarial, threshold=10.0) == pytest.approx(1 / 3)


def test_wilson_in_closed_form():
  n, p, z = 40, 0.9, 1.959963984540054
  centre = (p + z * z / (2 * n)) / (1 + z * z / n)
  half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
  np.testing.assert_allclose(metrics.wilson(36, 40), (centre - half, centre + half))
  assert metrics.wilson(40, 40)[1] == pytest.approx(1) and metrics.wilson(40, 40)[0] > 0.9


def test_bootstrap_equals_weighted_areas_draw_by_draw():
  clean, adversarial = draw(2, 40, 30)
  c, a = np.arange(40) % 2, (np.arange(30) + 1) % 2
  clean_groups, adversarial_groups = np.arange(40) // 2, np.arange(30) // 2
  rng = np.random.default_rng(5)
  times = rng.multinomial(20, np.full(20, 1 / 20), 50)
  areas = []
  for row in times:
    by_class = []
    for k in (0, 1):
      scores = np.concatenate([clean[c == k], adversarial[a == k]])
      truth = np.repeat([0, 1], [(c == k).sum(), (a == k).sum()])
      weights = np.concatenate([row[clean_groups[c == k]], row[adversarial_groups[a == k]]])
      by_class.append(roc_auc_score(truth, scores, sample_weight=weights))
    areas.append(np.mean(by_class))
  interval = metrics.bootstrap_auc_within_class(
    clean, c, adversarial, a, clean_groups, adversarial_groups, draws=50, seed=5
  )
  np.testing.assert_allclose(interval, np.percentile(areas, [2.5, 97.5]), rtol=1e-5)


def test_bootstrap_resamples_groups_not_rows():
  # Copies of an image are no evidence: repeating every row of a group leaves the interval alone.
  clean, adversarial = draw(3, 30, 30)
  groups = np.arange(30)
  once = metrics.bootstrap_auc(clean, adversarial, groups, groups)
  again = metrics.bootstrap_auc(*(np.repeat(x, 9) for x in (clean, adversarial, groups, groups)))
  np.testing.assert_allclose(once, again, atol=1e-6)
  low, high = once
  assert low < metrics.auc(clean, adversarial) < high
  rows = np.arange(270)
  naive = metrics.bootstrap_auc(np.repeat(clean, 9), np.repeat(adversarial, 9), rows, rows)
  assert naive[1] - naive[0] < 0.6 * (high - low)


def test_bootstrap_where_classes_come_and_go():
  # One adversarial of class 1: draws without it still count with class 0.
  clean, adversarial = draw(4, 20, 11)
  c, a = np.arange(20) % 2, np.array([0] * 10 + [1])
  low, high = metrics.bootstrap_auc_within_class(
    clean, c, adversarial, a, np.arange(20), np.arange(11)
  )
  assert 0 <= low < high <= 1
  nothing = np.zeros(0)
  assert metrics.bootstrap_auc(nothing, nothing, nothing, nothing) is None
  assert metrics.bootstrap_auc(clean, nothing, np.arange(20), nothing) is None


def test_scores_that_are_no_numbers_never_count_as_caught_and_have_no_area():
  clean, adversarial = np.array([0.1, np.nan, 0.3]), np.array([0.2, 0.9, np.nan])
  assert metrics.threshold_at_tnr(clean) == 0.3
  assert metrics.tpr_at_tnr(clean, adversarial) == pytest.approx(1 / 3)
  with pytest.raises(InputError, match="finite clean scores"):
    metrics.threshold_at_tnr(np.full(3, np.nan))
  with pytest.raises(InputError, match="NaN in 1 of 3"):
    metrics.auc(clean, adversarial[:2])
  with pytest.raises(InputError, match="NaN in 1 of 3"):
    metrics.bootstrap_auc(clean[:1], adversarial, np.arange(1), np.arange(3))
  with pytest.raises(InputError, match="numbers"):
    metrics.auc(np.array(["a"]), np.array(["b"]))


def test_infinite_scores_have_an_order():
  clean, adversarial = np.array([-np.inf, 0.0, 1.0]), np.array([np.inf, np.inf, 0.0])
  assert metrics.auc(clean, adversarial) == pytest.approx((3 + 3 + 1.5) / 9)
  rows = np.arange(3)
  low, high = metrics.bootstrap_auc(clean, adversarial, rows, rows, draws=50)
  assert 0 <= low <= high <= 1


def test_whole_and_yes_or_no_scores_are_scores():
  assert metrics.auc(np.array([0, 1]), np.array([1, 2])) == pytest.approx(0.875)
  assert metrics.auc(np.array([False, True]), np.array([True])) == pytest.approx(0.75)


def test_paired_difference_holds_the_value_and_is_never_empty():
  rng = np.random.default_rng(0)
  first, second = rng.random((2, 90)) < [[0.8], [0.5]]
  value, low, high = metrics.paired_difference(first, second)
  assert value == pytest.approx(first.mean() - second.mean()) and low < value < high
  assert low > 0
  same = metrics.paired_difference(first, first)
  assert same[0] == 0 and -0.1 < same[1] < 0 < same[2] < 0.1
  few = metrics.paired_difference(first[:5], first[:5])
  assert few[2] - few[1] > 1
