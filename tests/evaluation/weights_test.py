"""The largest weight that keeps the attack working."""

import pytest

from hfc_tf.evaluation.weights import largest_weight


@pytest.mark.parametrize("limit", [0.02, 0.1, 0.7, 1.0, 1.5, 7.0, 40.0])
def test_the_weight_is_found_to_a_factor_of_the_square_root_of_two(limit):
  tried = []

  def adv_acc(weight):
    tried.append(weight)
    return 1.0 if weight <= limit else 0.9

  found = largest_weight(adv_acc)
  assert found <= limit < found * 2**0.5 * 1.0001
  assert len(tried) == len(set(tried))


def test_an_attack_that_always_or_never_works():
  assert largest_weight(lambda weight: 1.0) == 64
  assert largest_weight(lambda weight: 0.5) is None
