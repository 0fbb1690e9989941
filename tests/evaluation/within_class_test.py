import numpy as np
import pytest
from scipy import stats

from hfc_tf.evaluation import metrics
from hfc_tf.evaluation.within_class import (
  class_areas,
  two_sided,
  two_sided_interval,
  within_class,
)
from hfc_tf.results.rows import ClassArea

THREE = np.repeat([0, 1, 2], [30, 40, 25])


def draw(seed, shifts, classes=THREE):
  """Scores of clean images and adversarials of each class, shifted in each."""
  rng = np.random.default_rng(seed)
  clean = rng.normal(size=len(classes)).round(1)
  return clean, (rng.normal(size=len(classes)) + np.asarray(shifts)[classes]).round(1)


def fields(clean, adversarial, classes=THREE, **more):
  groups = np.arange(len(classes))
  return within_class(clean, classes, adversarial, classes, groups, groups, **more)


def pairs(clean, adversarial):
  return np.mean([(a > c) + 0.5 * (a == c) for a in adversarial for c in clean])


def test_opposite_classes_do_not_cancel():
  areas = [ClassArea(k, area, 30, 30, False) for k, area in enumerate((0.047, 0.833, 0.703))]
  assert two_sided(areas) == pytest.approx(np.mean([0.953, 0.833, 0.703]))
  mean = np.mean([0.047, 0.833, 0.703])
  assert two_sided(areas) - metrics.two_sided(mean) > 0.3
  assert two_sided([]) is two_sided([ClassArea(0, None, 30, 9, True)]) is None


def test_a_row_equals_plain_loops():
  clean, adversarial = draw(0, (-2, 1, 0))
  row = fields(clean, adversarial)
  areas = [pairs(clean[k == THREE], adversarial[k == THREE]) for k in range(3)]
  assert [each.auc for each in row["by_class"]] == pytest.approx(areas)
  assert [each.n_clean for each in row["by_class"]] == [30, 40, 25]
  assert row["auc_within_class"] == pytest.approx(np.mean(areas))
  folded = [max(a, 1 - a) for a in areas]
  assert row["auc_within_class_two_sided"] == pytest.approx(np.mean(folded))


def test_the_interval_equals_plain_loops():
  clean, adversarial = draw(1, (-2, 1.5, 0.1))
  row = fields(clean, adversarial, draws=60)
  areas = [pairs(clean[k == THREE], adversarial[k == THREE]) for k in range(3)]
  times = np.random.default_rng(0).multinomial(95, np.full(95, 1 / 95), 60)
  most, least = np.zeros((60, 3)), np.zeros((60, 3))
  crossed = []
  for k, area in enumerate(areas):
    rows = np.flatnonzero(k == THREE)
    drawn = [
      pairs(np.repeat(clean[rows], t[rows]), np.repeat(adversarial[rows], t[rows])) for t in times
    ]
    side = 1 if area > 0.5 else -1
    crossed.append(any(side * (d - 0.5) <= 0 for d in drawn))
    for place, d in enumerate(drawn):
      least[place, k] = side * (d - area)
      most[place, k] = abs(d - area) if crossed[-1] else least[place, k]
  assert crossed == [False, False, True]
  folded = np.mean([max(a, 1 - a) for a in areas])
  ends = [row[f"auc_within_class_two_sided_{end}"] for end in ("low", "high")]
  assert ends == pytest.approx([
    folded - np.quantile(most.mean(1), 0.975), folded - np.quantile(least.mean(1), 0.025),
  ], abs=1e-5)  # fmt: skip


def test_classes_that_never_cross_have_the_basic_interval():
  clean, adversarial = draw(2, (-1.5, 1.5, 1.5))
  groups = np.arange(len(THREE))
  _, drawn = metrics.class_draws(clean, THREE, adversarial, THREE, groups, groups)
  row = fields(clean, adversarial)
  folded = np.maximum(drawn, 1 - drawn).mean(1)
  area = row["auc_within_class_two_sided"]
  basic = 2 * area - np.percentile(folded, [97.5, 2.5])
  ends = [row[f"auc_within_class_two_sided_{end}"] for end in ("low", "high")]
  assert ends == pytest.approx(basic, abs=1e-6)


@pytest.mark.parametrize("count", [2, 12])
def test_where_nothing_is_to_be_seen_the_interval_says_so(count):
  # Folding alone lifts a class of 25 images to .57; ten of them average its luck away.
  classes = np.repeat(np.arange(count), 25)
  rows = [fields(*draw(seed, np.zeros(count), classes), classes, draws=300) for seed in range(60)]
  assert np.mean([each["auc_within_class_two_sided"] for each in rows]) > 0.55
  covers = np.mean([each["auc_within_class_two_sided_low"] == 0.5 for each in rows])
  assert covers >= 0.9


def test_a_difference_in_one_class_is_seen():
  row = fields(*draw(3, (-2, 0, 0)))
  assert row["auc_within_class"] < 0.5 < row["auc_within_class_two_sided_low"]


def test_classes_of_nineteen_are_left_out_and_named():
  classes = np.repeat([0, 1, 4], [30, 20, 19])
  clean, adversarial = draw(4, np.array([1, 1, 0, 0, 9]), classes)
  row = fields(clean, adversarial, classes)
  assert [(each.label, each.left_out) for each in row["by_class"]] == [
    (0, False), (1, False), (4, True),
  ]  # fmt: skip
  assert row["by_class"][2] == ClassArea(4, None, 19, 19, True)
  folded = [max(each.auc, 1 - each.auc) for each in row["by_class"][:2]]
  assert row["auc_within_class_two_sided"] == pytest.approx(np.mean(folded))
  alone = classes == 4
  few = fields(clean[alone], adversarial[alone], classes[alone])
  assert {key: few[key] for key in few if key != "by_class"} == dict.fromkeys(
    [key for key in few if key != "by_class"]
  )


def test_a_class_predicted_on_one_side_only_is_left_out():
  (zero, one) = class_areas(np.arange(30.0), np.zeros(30, int), np.arange(25.0), np.ones(25, int))
  assert zero == ClassArea(0, None, 0, 30, True) and one == ClassArea(1, None, 25, 0, True)


def test_perfect_detection_has_an_interval_that_is_not_empty():
  shift = np.array([-9, 9, 9])
  row = fields(*draw(5, shift))
  assert row["auc_within_class_two_sided"] == row["auc_within_class_two_sided_high"] == 1
  count = 3 / np.mean([1 / 30, 1 / 40, 1 / 25])
  low = stats.beta.ppf(0.025, count, 1)
  assert row["auc_within_class_two_sided_low"] == pytest.approx(low) and 0.95 < low < 0.97


def test_patients_count_not_rows():
  clean, adversarial = (np.repeat(x, 5) for x in draw(5, (-9, 9, 9)))
  classes, groups = np.repeat(THREE, 5), np.repeat(np.arange(len(THREE)), 5)
  again = within_class(clean, classes, adversarial, classes, groups, groups)
  once = fields(clean[::5], adversarial[::5])
  low = "auc_within_class_two_sided_low"
  assert again[low] == pytest.approx(once[low])


def test_scores_that_are_all_the_same_see_nothing():
  row = fields(np.zeros(95), np.zeros(95))
  assert row["auc_within_class_two_sided"] == row["auc_within_class_two_sided_low"] == 0.5
  assert row["auc_within_class_two_sided_high"] > 0.55


def test_ends_hold_the_figure_and_stay_in_range():
  rng = np.random.default_rng(6)
  for areas in ([0.5, 0.52], [0.999, 0.001], [0.9, 0.3]):
    drawn = np.clip(np.array(areas) + rng.normal(scale=0.2, size=(200, 2)), 0, 1)
    drawn[0, 0] = np.nan
    low, high = two_sided_interval(np.array(areas), drawn, [20, 30])
    assert 0.5 <= low <= np.mean(np.maximum(areas, 1 - np.array(areas))) <= high <= 1
