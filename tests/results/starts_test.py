import numpy as np
import pytest
from scipy import stats

from hfc_tf.results.starts import TrainingRow, compare_starts, student_interval


def rows(start, values, measure="adv_acc", **fields):
  return [
    TrainingRow(start=start, seed=seed, measure=measure, value=value, **fields)
    for seed, value in enumerate(values)
  ]


def compared(weights, scratch, **fields):
  (row,) = compare_starts(rows("weights", weights, **fields) + rows("scratch", scratch, **fields))
  return row


def test_student_interval():
  values = [0.2, 0.3, 0.7, 0.4]
  expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
  assert student_interval(values) == pytest.approx(tuple(expected))
  assert student_interval([0.5]) is None


@pytest.mark.parametrize(
  ("weights", "scratch", "differ"),
  [
    ([0.99, 0.98, 1.0], [0.2, 0.25, 0.15], True),
    ([0.15, 0.2, 0.25], [0.9, 0.95, 0.85], True),
    ([0.5, 0.9, 0.7], [0.3, 0.6, 0.4], False),
    ([0.9, None, 0.9], [0.1, 0.1, 0.1], None),
  ],
)
def test_the_rule(weights, scratch, differ):
  row = compared(weights, scratch)
  assert row.differ is differ
  there = [value for value in weights if value is not None]
  assert row.weights.mean == pytest.approx(np.mean(there))
  assert (row.weights.least, row.weights.most) == (min(there), max(there))
  if differ is not None:
    low, high = student_interval(weights)
    assert row.weights.low == pytest.approx(max(low, 0))
    assert row.weights.high == pytest.approx(min(high, 1))


def test_trainings_that_agree_leave_an_interval():
  row = compared([1.0, 1.0, 1.0], [0.95, 0.95, 0.95], low=0.9, high=1.0)
  assert (row.weights.low, row.weights.high) == (0.9, 1.0) and row.differ is False
  assert compared([1.0] * 3, [0.95] * 3).differ is True


def test_budgets_may_exceed_one():
  row = compared([2.0, 2.5, 3.0], [9.0, 9.5, 10.0], measure="smallest_eps_256")
  assert row.weights.high == pytest.approx(2.5 + stats.t.ppf(0.975, 2) * 0.5 / 3**0.5)
  assert row.differ is True


def test_a_training_counts_once_however_many_makers_it_has():
  made = [
    TrainingRow(start="weights", seed=seed, measure="transfer", value=value, made_on="twin",
                made_seed=maker)
    for seed, values in enumerate([(0.2, 0.4), (0.4, 0.6), (0.6, 0.8)])
    for maker, value in enumerate(values)
  ]  # fmt: skip
  twins, across = compare_starts(
    made + rows("scratch", [0.1, 0.1, 0.1], "transfer", made_on="across")
  )
  assert twins.weights.mean == pytest.approx(0.5)
  assert (twins.weights.low, twins.weights.high) == pytest.approx(student_interval([0.3, 0.5, 0.7]))
  # The other start has no such figure.
  assert twins.scratch.mean is None and twins.differ is None and across.weights.mean is None
