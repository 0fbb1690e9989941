import dataclasses

import numpy as np
import pytest

from hfc_tf.taps import Taps


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
  parts = [taps(noise, labels, labels, None)]
  for count, first in ((adv_train, 0), (adv_test, adv_train)):
    noise, labels = draw(count)
    groups = first + np.arange(count) // 2  # two images of a patient
    parts.append(taps(noise, labels, labels, groups))
    parts.append(taps(jitter(noise), labels, labels, groups))
    parts.append(taps(jitter(noise), 1 - labels, labels, groups, shift))
  return World(parts[0], *parts[1:4], parts[4], parts[6])


@pytest.fixture(scope="session")
def world():
  return make_world()


@pytest.fixture(scope="session")
def new_world():
  return make_world
