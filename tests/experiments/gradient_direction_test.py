import numpy as np
import pytest

from hfc_tf.experiments import gradient_direction as directions
from tests.experiments import shared


def case(classes, seed=0, scale=1.0, count=6, width=7):
  rng = np.random.default_rng(seed)
  z = scale * rng.uniform(0, 1, (count, width))
  kernel, bias = rng.normal(size=(width, classes)), rng.normal(size=classes)
  return z, kernel, bias, rng.integers(0, classes, count)


def loss(z, kernel, bias, targets):
  logits = z @ kernel + bias
  return np.log(np.exp(logits).sum(1)) - logits[np.arange(len(z)), targets]


@pytest.mark.parametrize("classes", [2, 5])
def test_gradients_equal_central_differences(classes):
  z, *rest = case(classes)
  numeric = np.empty_like(z)
  for i in range(z.shape[1]):
    step = np.zeros_like(z)
    step[:, i] = 1e-6
    numeric[:, i] = (loss(z + step, *rest) - loss(z - step, *rest)) / 2e-6
  np.testing.assert_allclose(directions.analytic_gradient(z, *rest), numeric, atol=1e-8)
  np.testing.assert_allclose(directions.automatic_gradient(z, *rest), numeric, atol=1e-8)


def test_two_classes_are_equation_8():
  z, kernel, bias, targets = case(2)
  logits = z @ kernel + bias
  p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
  c = targets
  expected = (1 - p[np.arange(6), c])[:, None] * (kernel.T[1 - c] - kernel.T[c])
  np.testing.assert_allclose(directions.analytic_gradient(z, kernel, bias, c), expected, atol=1e-12)


def test_theorem_1_every_sign_is_that_of_the_weights():
  for seed in range(20):
    z, kernel, bias, c = case(2, seed, scale=30.0)
    sign = np.sign(directions.automatic_gradient(z, kernel, bias, c))
    assert (sign == np.sign(kernel.T[1 - c] - kernel.T[c])).all()


def test_theorem_2_consistent_channels_stay_negative():
  found = 0
  for seed in range(20):
    z, kernel, bias, c = case(4, seed, scale=30.0)
    chosen = directions.consistent(kernel, c)
    assert (chosen == (kernel.T[c] == kernel.max(1))).all()
    gradient = directions.automatic_gradient(z, kernel, bias, c)
    assert (gradient[chosen] < 0).all()
    found += (gradient[~chosen] < 0).any() and (gradient[~chosen] > 0).any()
  assert found > 10  # elsewhere signs are mixed


def test_rows_of_four_classes_tell_consistent_channels_from_others():
  kernel, bias, c = *case(4)[1:3], case(4)[3]
  path = {("bim", step): case(4, step, scale=9.0)[0] for step in range(5)}
  chosen = directions.consistent(kernel, c)
  rows = directions._gradient_rows(path, kernel, bias, c, chosen)
  assert [row.step for row in rows] == list(range(5))
  assert all(row.same_sign == 1.0 and row.gradient_error < 1e-14 for row in rows)
  elsewhere = [row.same_sign_elsewhere for row in rows]
  assert elsewhere[0] == 1.0 and elsewhere[-1] < 1.0 and elsewhere == sorted(elsewhere)[::-1]


def test_cosines_are_of_the_channels_asked_for():
  a, b = np.array([[1.0, 5.0], [0.0, 3.0]]), np.array([[2.0, -5.0], [1.0, 3.0]])
  assert directions._cosine(a, b, np.array([[True, False], [False, True]])) == 1.0
  assert directions._cosine(a, -b, np.array([[True, False], [False, True]])) == -1.0
  assert directions._cosine(a * 0, b, np.ones((2, 2), bool)) is None


def test_gradient_of_a_certain_prediction_does_not_vanish():
  gradient = directions.automatic_gradient(
    np.array([[60.0]]), np.array([[0.0, 1.0]]), np.zeros(2), np.array([1])
  )
  assert gradient[0, 0] == pytest.approx(-np.exp(-60.0), rel=1e-6)


def test_experiment():
  config = shared.config(attacks=("bim", "pgd"))
  found = directions.run(config, (1, 2))
  by_kind = {kind: [r for r in found["rows"] if r["kind"] == kind]
             for kind in ("weights", "pair", "gradient")}  # fmt: skip
  assert [(r["attack"], r["step"]) for r in by_kind["weights"]] == [
    ("bim", 1), ("bim", 2), ("bim", 4), ("pgd", 4),
  ]  # fmt: skip
  assert len(by_kind["pair"]) == 4 * 3 // 2
  assert [r["step"] for r in by_kind["gradient"]] == [0, 1, 2, 4]
  for row in by_kind["gradient"]:
    assert row["gradient_error"] < 1e-14
    assert row["same_sign"] == row["same_sign_elsewhere"] == 1.0
  for row in by_kind["weights"] + by_kind["pair"]:
    assert -1 <= row["cosine"] <= 1
  whole, early = by_kind["weights"][2], by_kind["weights"][0]
  assert whole["cosine"] > 0 and early["cosine"] > 0
  text = shared.page(found)
  assert text.count('src="data:image/png') == 2 and "100.00" in text
