import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.detectors import DETECTORS
from hfc_tf.taps import TappedModel, Taps
from tests.networks import tiny


@dataclasses.dataclass(frozen=True)
class World:
  train: Taps
  clean: Taps
  noisy: Taps
  adversarial: Taps
  test_clean: Taps
  test_adversarial: Taps

  @property
  def adv_train(self):
    return {"clean": self.clean, "noisy": self.noisy, "adversarial": self.adversarial}


WIDTHS = {"early": 6, "middle": 10, "last": 16}
HEAD_SCALE = 0.5


def make_world(seed=0, shift=2.0, train=240, adv_train=100, adv_test=80, hidden=0.3):
  """Two classes, 73/27; attacks cross to the other class and leave a trace in quiet channels.

  Clean features have loud channels and, from `hidden` of the width on, quiet ones. An attack moves
  the loud ones to the other class and shifts the quiet ones by `shift` of their deviations.
  """
  rng = np.random.default_rng(seed)
  deviations = {
    name: np.where(np.arange(width) < hidden * width, 1.0, 0.1) for name, width in WIDTHS.items()
  }
  gaps = {
    name: np.where(deviations[name] == 1, rng.choice([-3.0, 3.0], width), 0)
    for name, width in WIDTHS.items()
  }
  kernel = np.stack([-gaps["last"], gaps["last"]], axis=1) * HEAD_SCALE  # [C, 2]
  head = (kernel.astype(np.float32), np.zeros(2, np.float32))

  def taps(noise, classes, labels, groups, amount=0.0):
    features = {}
    for name, deviation in deviations.items():
      side = np.where(classes == 1, 0.5, -0.5)[:, None]
      values = side * gaps[name] + noise[name] * deviation
      quiet = deviation == 0.1
      features[name] = (values + 5 + amount * quiet * deviation).astype(np.float32)
    logits = ((features["last"] - 5) @ kernel).astype(np.float32)
    return Taps(features, logits, labels.astype(np.int32), "last", head, groups)

  def draw(count):
    labels = (np.arange(count) % 100 < 73).astype(np.int32)
    noise = {name: rng.normal(size=[count, width]) for name, width in WIDTHS.items()}
    for name in noise:
      # Far from the border, so that every prediction is right.
      loud = deviations[name] == 1
      noise[name][:, loud] = np.clip(noise[name][:, loud], -0.9, 0.9)
    return noise, labels

  def jitter(noise):
    return {
      name: 0.9 * values + 0.1 * rng.normal(size=values.shape) for name, values in noise.items()
    }

  noise, labels = draw(train)
  sets = [taps(noise, labels, labels, None)]
  for count, first in ((adv_train, 0), (adv_test, adv_train)):
    noise, labels = draw(count)
    groups = first + np.arange(count) // 2  # two images of a patient
    sets.append(taps(noise, labels, labels, groups))
    sets.append(taps(jitter(noise), labels, labels, groups))
    sets.append(taps(jitter(noise), 1 - labels, labels, groups, shift))
  return World(sets[0], *sets[1:4], sets[4], sets[6])


@pytest.fixture(scope="session")
def world():
  return make_world()


@pytest.fixture(scope="session")
def new_world():
  return make_world


@dataclasses.dataclass(frozen=True)
class Pictures:
  """A tiny classifier and images that it gets right, clean, noisy and attacked."""

  model: TappedModel
  train: Taps
  adv_train: dict
  images: dict
  test_clean: np.ndarray
  test_adversarial: np.ndarray

  @property
  def arguments(self):
    return {**self.adv_train, "model": self.model, "images": self.images}


def make_pictures(shape, bounds=(0.0, 1.0), seed=0, train=120, adv_train=40, adv_test=40):
  """Smooth images; the label is what the classifier says; attacks are a few gradient steps."""
  rng = np.random.default_rng(seed)
  network = tiny(shape, seed=1)

  def draw(count):
    halves = [(size + 1) // 2 for size in shape[:-1]]
    images = rng.uniform(0.2, 0.8, [count, *halves, shape[-1]])
    for axis, size in enumerate(shape[:-1], start=1):
      images = np.repeat(images, 2, axis=axis).take(range(size), axis=axis)
    return images.astype(np.float32)

  # The border through the middle of the images: both classes are there.
  logits = TappedModel(network).taps(draw(200)).logits
  middle = np.median(logits[:, 1] - logits[:, 0])
  network.get_layer("logits").bias.assign([middle, 0.0])
  low, high = bounds
  model = TappedModel(network, lambda images: (images - low) / (high - low), bounds)

  @tf.function(reduce_retracing=True)
  def step(moved, images, targets):
    with tf.GradientTape() as tape:
      tape.watch(moved)
      logits, _ = model(moved)
      loss = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
    moved -= 0.01 * tf.sign(tape.gradient(loss, moved))
    return tf.clip_by_value(moved, images - 0.08, images + 0.08)

  def in_bounds(images):
    low, high = model.bounds
    return images * (high - low) + low

  def attacked(count):
    clean = draw(count)
    labels = model.taps(in_bounds(clean)).predictions
    adversarial = clean
    for _ in range(12):
      adversarial = step(adversarial, clean, 1 - labels).numpy()
    fooled = model.taps(in_bounds(adversarial)).predictions != labels
    assert fooled.mean() > 0.5
    noisy = clean + rng.choice([-0.03, 0.03], clean.shape).astype(np.float32)
    images = {"clean": clean, "noisy": noisy, "adversarial": adversarial[fooled]}
    rows = np.arange(count)
    groups = {"clean": rows, "noisy": rows, "adversarial": rows[fooled]}
    images = {name: in_bounds(values) for name, values in images.items()}
    taps = {n: model.taps(images[n], labels[groups[n]], groups=groups[n]) for n in images}
    return images, taps

  clean = in_bounds(draw(train))
  labelled = model.taps(clean, model.taps(clean).predictions)
  images, taps = attacked(adv_train)
  test, _ = attacked(adv_test)
  return Pictures(model, labelled, taps, images, test["clean"], test["adversarial"])


@pytest.fixture(scope="session")
def pictures():
  return make_pictures((8, 8, 3))


@pytest.fixture(scope="session")
def volumes():
  return make_pictures((6, 6, 6, 1), bounds=(0.0, 255.0))


@pytest.fixture(scope="session", params=["pictures", "volumes"])
def fitted_on_images(request):
  """Images or volumes, and every detector, fitted in the same way."""
  world = request.getfixturevalue(request.param)
  small = {
    "dnn": {"epochs": 4},
    "hfc_score": {"components": 2},
    "knn": {"k": 10},
    "lid": {"reference_size": 60, "regularisations": [0.1]},
    "maha": {"regularisations": [0.1]},
    "svm": {"costs": [1.0], "gammas": [1.0]},
  }
  fitted = {
    key: make(**small.get(key, {})).fit(world.train, **world.arguments)
    for key, make in DETECTORS.items()
  }
  return world, fitted
