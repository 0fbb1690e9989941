"""The largest weight that keeps the attack working."""

import pytest

from hfc_tf.study.hfc_weight import largest_weight


@pytest.mark.parametrize("limit", [0.02, 0.1, 0.7, 1.0, 1.5, 7.0, 40.0])
def test_the_weight_is_found_to_a_factor_of_the_square_root_of_two(limit):
  tried = []

  def keeps(weight):
    tried.append(weight)
    return weight <= limit

  largest = largest_weight(keeps)
  assert largest <= limit < largest * 2**0.5 * 1.0001
  assert len(tried) == len(set(tried))


def test_an_attack_that_always_or_never_works():
  assert largest_weight(lambda weight: True) == 64
  assert largest_weight(lambda weight: False) is None


def test_a_good_start_needs_three_trials():
  tried = []
  assert largest_weight(lambda weight: tried.append(weight) or weight < 0.4, start=0.25) < 0.4
  assert len(tried) == 3


@pytest.mark.parametrize("limit", [0.3, 1.9, 5.0])
def test_the_weight_is_found_as_precisely_as_asked(limit):
  largest = largest_weight(lambda weight: weight <= limit, precision=1.1)
  assert largest <= limit < largest * 1.1001
