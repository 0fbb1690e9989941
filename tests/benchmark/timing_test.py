import pytest

from benchmarks.timing import Spread, interleaved, seconds_per_step


class Clock:
  """Time passes only where it is told to."""

  def __init__(self):
    self.now = 0.0

  def __call__(self):
    return self.now

  def pass_(self, seconds):
    self.now += seconds


@pytest.mark.parametrize("steps", [1, 4])
def test_what_a_call_does_once_is_not_counted(steps):
  clock = Clock()
  calls = []

  def attack(count):
    calls.append(count)
    clock.pass_(10 + 0.5 * count)

  assert seconds_per_step(attack, steps, clock) == pytest.approx(0.5)
  assert calls == [1, 1 + steps]


def test_median_and_quartiles():
  assert Spread.of([5.0, 1.0, 2.0, 100.0, 3.0]) == Spread(3.0, 2.0, 5.0)
  assert Spread.of([7.0]) == Spread(7.0, 7.0, 7.0)


def test_contenders_take_turns_and_the_order_turns():
  calls, waits = [], []

  def contender(name):
    def run():
      calls.append(name)
      return {"seconds": float(len(calls)), name: 0.0}

    return run

  samples = interleaved(
    {"a": contender("a"), "b": contender("b")}, 3, pause=0.25, sleep=waits.append
  )
  assert calls == ["a", "b", "b", "a", "a", "b"]
  assert waits == [0.25] * 6
  assert samples == {
    "a": {"seconds": [1.0, 4.0, 5.0], "a": [0.0] * 3},
    "b": {"seconds": [2.0, 3.0, 6.0], "b": [0.0] * 3},
  }
