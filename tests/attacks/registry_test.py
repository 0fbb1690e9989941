"""What every attack keeps, whatever it minimises and however it moves."""

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.attacks import ATTACKS, named
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel
from tests.attacks.worlds import (
  EPS,
  IN_THE_BALL,
  attack,
  balanced,
  differing,
  random_images,
)

HIDDEN = ["hfc/cw", "hfc/apgd"]


class Counting(TappedModel):
  """Counts how often it is traced."""

  traces = 0

  def __call__(self, images):
    self.traces += 1
    return super().__call__(images)


def test_the_names_are_those_of_the_papers():
  names = ["fgsm", "bim", "pgd", "mim", "tim", "di", "cw", "apgd", "least", "deepfool"]
  names += ["cw_l2"]
  assert list(ATTACKS) == names
  with pytest.raises(InputError, match="expected an attack among fgsm, bim"):
    named("bam")


@pytest.mark.parametrize("name", [*ATTACKS, *HIDDEN])
@pytest.mark.parametrize("shape,count", [((8, 9, 1), 5), ((6, 7, 8, 1), 1)])
def test_ball_bounds_one_trace_and_nothing_touched(name, shape, count):
  network = balanced(shape)
  before = network.get_weights()
  images = random_images(shape, count)
  original = images.copy()
  model = Counting(network)
  made = attack(name, model, batch_size=2 if count > 1 else 1)
  model.traces = 0
  labels = np.arange(count) % 2
  adversarials = made(images, labels)
  once = model.traces
  assert adversarials.shape == images.shape and adversarials.dtype == np.float32
  assert adversarials.min() >= 0 and adversarials.max() <= 1
  if made.eps is not None:
    assert np.abs(adversarials - images).max() <= EPS + 1e-6
    assert name == "least" or np.abs(adversarials - images).max() > EPS / 4
  # Other numbers, seeds, classes and chunks run the same program.
  made.steps, made.seed = 3, 7
  made.weights = dict.fromkeys(made.weights, 0.25)
  made(images, 1 - labels)
  if made.eps is not None:
    made.eps, made.step_size = 0.0, EPS / 2
    np.testing.assert_array_equal(made(images, 1), images)
  assert model.traces == once > 0
  np.testing.assert_array_equal(images, original)
  for weight, old in zip(network.get_weights(), before, strict=True):
    np.testing.assert_array_equal(weight, old)


@pytest.mark.parametrize("name", ["pgd", "mim", "di", "hfc/apgd", "deepfool", "cw_l2"])
def test_results_do_not_depend_on_batch_or_order(name):
  model, images = TappedModel(balanced()), random_images(count=8)
  targets = 1 - model.taps(images).predictions
  made = attack(name, model, batch_size=8)
  together = made(images, targets)
  order = np.random.default_rng(3).permutation(8)
  shuffled = made(images[order], targets[order], ids=order)
  made.batch_size = 1
  alone = made(images, targets)
  tolerance = 1e-5 if name != "cw_l2" else 1e-3  # Adam magnifies rounding where gradients vanish
  for other in (alone, shuffled[np.argsort(order)]):
    assert differing(other, together, tolerance) < 0.02


@pytest.mark.parametrize("name", ["di", "apgd", "cw_l2"])
def test_eager_graph_and_xla_agree(name):
  model, images = TappedModel(balanced()), random_images(count=3)
  settings = {"steps": 3}
  if name in IN_THE_BALL:
    settings["random_start"] = False  # whose floats XLA draws otherwise
  graph = attack(name, model, jit_compile=False, **settings)(images, 1)
  xla = attack(name, model, jit_compile=True, **settings)(images, 1)
  tf.config.run_functions_eagerly(True)
  try:
    eager = attack(name, model, **settings)(images, 1)
  finally:
    tf.config.run_functions_eagerly(False)
  assert differing(graph, eager, 1e-4) < 0.03
  assert differing(graph, xla, 1e-4) < 0.03
  np.testing.assert_allclose(model.taps(graph).logits, model.taps(xla).logits, atol=0.05)


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("name", ["fgsm", "bim", "di", "cw", "apgd", "deepfool", "cw_l2"])
def test_classes_are_reached_or_left(name, targeted):
  model, images = TappedModel(balanced(classes=3)), random_images(count=12)
  labels = model.taps(images).predictions
  assert len(set(labels)) == 3
  classes = (labels + 1) % 3 if targeted else labels
  settings = {"eps": 0.3, "steps": 60 if name == "cw_l2" else 30}
  made = attack(name, model, targeted=targeted, **settings)(images, classes)
  success = (model.taps(made).predictions == classes) == targeted
  assert success.mean() >= (0.4 if name == "fgsm" else 0.9)
