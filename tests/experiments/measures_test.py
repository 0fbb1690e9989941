import numpy as np
import pytest

from hfc_tf.densities import HierarchicalDensity
from hfc_tf.experiments import measures
from hfc_tf.taps import Taps


def random_inputs(classes, seed=0, scale=1.0, count=6, width=7):
  rng = np.random.default_rng(seed)
  z = scale * rng.uniform(0, 1, (count, width))
  kernel, bias = rng.normal(size=(width, classes)), rng.normal(size=classes)
  return z, kernel, bias, rng.integers(0, classes, count)


def loss(z, kernel, bias, targets):
  logits = z @ kernel + bias
  return np.log(np.exp(logits).sum(1)) - logits[np.arange(len(z)), targets]


@pytest.mark.parametrize("classes", [2, 5])
def test_gradients_equal_central_differences(classes):
  z, *rest = random_inputs(classes)
  numeric = np.empty_like(z)
  for i in range(z.shape[1]):
    step = np.zeros_like(z)
    step[:, i] = 1e-6
    numeric[:, i] = (loss(z + step, *rest) - loss(z - step, *rest)) / 2e-6
  np.testing.assert_allclose(measures.analytic_gradient(z, *rest), numeric, atol=1e-8)
  np.testing.assert_allclose(measures.automatic_gradient(z, *rest), numeric, atol=1e-8)


def test_two_classes_are_equation_8():
  z, kernel, bias, targets = random_inputs(2)
  logits = z @ kernel + bias
  p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
  c = targets
  expected = (1 - p[np.arange(6), c])[:, None] * (kernel.T[1 - c] - kernel.T[c])
  np.testing.assert_allclose(measures.analytic_gradient(z, kernel, bias, c), expected, atol=1e-12)


def test_theorem_1_every_sign_is_that_of_the_weights():
  for seed in range(20):
    z, kernel, bias, c = random_inputs(2, seed, scale=30.0)
    sign = np.sign(measures.automatic_gradient(z, kernel, bias, c))
    assert (sign == np.sign(kernel.T[1 - c] - kernel.T[c])).all()


def test_theorem_2_consistent_channels_stay_negative():
  mixed = 0
  for seed in range(20):
    z, kernel, bias, c = random_inputs(4, seed, scale=30.0)
    chosen = measures.consistent(kernel, c)
    assert (chosen == (kernel.T[c] == kernel.max(1))).all()
    gradient = measures.automatic_gradient(z, kernel, bias, c)
    assert (gradient[chosen] < 0).all()
    mixed += (gradient[~chosen] < 0).any() and (gradient[~chosen] > 0).any()
  assert mixed > 10  # elsewhere signs are mixed


def test_four_classes_tell_consistent_channels_from_others():
  kernel, bias, c = *random_inputs(4)[1:3], random_inputs(4)[3]
  path = [random_inputs(4, step, scale=9.0)[0] for step in range(5)]
  chosen = measures.consistent(kernel, c)
  steps = measures.gradient_path(path, kernel, bias, c, chosen)
  assert all(same == 1.0 and error < 1e-14 for error, same, _ in steps)
  elsewhere = [other for _, _, other in steps]
  assert elsewhere[0] == 1.0 and elsewhere[-1] < 1.0 and elsewhere == sorted(elsewhere)[::-1]


def test_cosines_are_of_the_channels_asked_for():
  a, b = np.array([[1.0, 5.0], [0.0, 3.0]]), np.array([[2.0, -5.0], [1.0, 3.0]])
  assert measures.cosine(a, b, np.array([[True, False], [False, True]])) == 1.0
  assert measures.cosine(a, -b, np.array([[True, False], [False, True]])) == -1.0
  assert measures.cosine(a * 0, b, np.ones((2, 2), bool)) is None


def test_gradient_of_a_certain_prediction_does_not_vanish():
  gradient = measures.automatic_gradient(
    np.array([[60.0]]), np.array([[0.0, 1.0]]), np.zeros(2), np.array([1])
  )
  assert gradient[0, 0] == pytest.approx(-np.exp(-60.0), rel=1e-6)


def test_the_commonest_pair_and_its_correlation():
  labels, targets = np.array([0, 1, 0, 2, 0]), np.array([1, 0, 2, 0, 1])
  assert measures.commonest(labels, targets).tolist() == [True, False, False, False, True]
  rising = np.arange(3.0)
  assert measures.correlation(rising, 2 * rising) == pytest.approx(1)
  assert measures.correlation(np.ones(3), rising) is None


def taps(rng, count=120, width=6):
  labels = np.arange(count) % 2
  features = rng.normal(labels[:, None], 1 + 0.3 * np.arange(width), (count, width))
  logits = np.eye(2)[labels].astype(np.float32)
  return Taps({"last": features.astype(np.float32)}, logits, labels.astype(np.int32), "last")


def test_score_is_the_form_of_the_likeliest_component_of_the_predicted_class():
  train = taps(np.random.default_rng(0))
  density = HierarchicalDensity(3, seed=1).fit(train)
  scores = measures.hfc_score(density, train)
  for row in range(0, len(train), 7):
    mixture = density.mixtures_["last"][train.predictions[row]].distribution
    x = train.features["last"][row].astype(np.float64)
    components = mixture.components_distribution
    joint = np.log(mixture.mixture_distribution.probs_parameter()) + components.log_prob(x)
    chosen = int(np.argmax(joint))
    offset = x - components.mean().numpy()[chosen]
    covariance = components.covariance().numpy()[chosen]
    expected = offset @ np.linalg.solve(covariance, offset)
    assert scores[row] == pytest.approx(expected, rel=1e-3)


def test_score_follows_the_prediction_and_not_the_label():
  train = taps(np.random.default_rng(0))
  density = HierarchicalDensity(1).fit(train)
  swapped = Taps(train.features, train.logits[:, ::-1], train.labels, "last")
  assert not np.allclose(measures.hfc_score(density, train), measures.hfc_score(density, swapped))
  far = Taps({"last": train.features["last"] + 50}, train.logits, train.labels, "last")
  assert measures.hfc_score(density, far).min() > measures.hfc_score(density, train).max()


def test_separability_of_like_and_unlike():
  rng = np.random.default_rng(0)
  normal = rng.normal(size=(400, 5))
  like = measures.separability(normal, rng.normal(size=(300, 5)), 0)
  far = measures.separability(normal, rng.normal(size=(300, 5)) + 40, 0)
  # 600 images: three standard deviations of a fair coin
  assert like.neighbours == pytest.approx(0.5, abs=3 * 0.5 / np.sqrt(600))
  assert abs(like.silhouette) < 0.02 and like.distance == pytest.approx(1, abs=0.1)
  assert far.neighbours == 1.0 and far.silhouette > 0.9 and far.distance > 40
  assert measures.separability(normal, normal[:1], 0) == (None, None, None)


def test_what_lies_too_close_shows_in_the_distance():
  normal = np.random.default_rng(0).normal(size=(400, 5))
  hidden = 0.1 * np.random.default_rng(1).normal(size=(400, 5))
  separation = measures.separability(normal, hidden, 0)
  assert separation.distance < 1 and separation.neighbours > 0.8


def test_separability_takes_equal_sides():
  # 30 of the many fall together with the few: unequal sides would give the many their own kind.
  rng = np.random.default_rng(1)
  shares = [
    measures.separability(rng.normal(size=(3000, 2)), rng.normal(size=(40, 2)), seed).neighbours
    for seed in range(10)
  ]
  assert np.mean(shares) == pytest.approx(0.5, abs=0.06)
