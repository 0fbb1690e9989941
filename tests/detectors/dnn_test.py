import dataclasses

import numpy as np
import pytest

from hfc_tf.detectors.dnn import DeepNeuralNetwork


@pytest.fixture(scope="module")
def detector(world):
  return DeepNeuralNetwork(units=16).fit(world.train, **world.adv_train)


def test_equals_plain_numpy(detector, world):
  layers = detector.score(world.test_clean, per_layer=True)
  for name, values in world.test_clean.features.items():
    scaled = (values.astype(float) - detector.center_[name]) / detector.scale_[name]
    hidden = np.maximum(scaled @ detector.kernel_[name] + detector.bias_[name], 0)
    assert hidden.shape[1] == 16
    expected = hidden @ detector.output_[name][0] + detector.offset_[name][0]
    np.testing.assert_allclose(layers[name], expected, rtol=1e-4, atol=1e-4)


def test_logits_are_summed_each_layer_once(detector, world):
  layers = detector.score(world.test_adversarial, per_layer=True)
  assert list(layers) == ["early", "middle", "last"]
  total = np.sum(list(layers.values()), axis=0)
  np.testing.assert_allclose(detector.score(world.test_adversarial), total, rtol=1e-4, atol=1e-4)
  assert np.abs(total).max() > 1  # no mean of probabilities


def test_is_not_linear(detector, world):
  first, second = world.test_clean[:40], world.test_adversarial[:40]
  middle = dataclasses.replace(
    first, features={n: (v + second.features[n]) / 2 for n, v in first.features.items()}
  )
  line = (detector.score(first) + detector.score(second)) / 2
  assert np.abs(detector.score(middle) - line).max() > 0.01


def test_scaler_knows_train_alone(detector, world, new_world):
  other = DeepNeuralNetwork(units=4, epochs=1).fit(world.train, **new_world(5).adv_train)
  for name, values in world.train.features.items():
    np.testing.assert_allclose(detector.center_[name], values.mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(other.scale_[name], detector.scale_[name])


def test_held_out_rows_do_not_reach_the_networks_of_their_fold(world, monkeypatch):
  # Nothing tells these "adversarials" from clean images: networks of all rows learn them by heart,
  # while the scores behind the threshold, of networks that never saw the row, stay near chance.
  learnt = []
  learn = DeepNeuralNetwork._learn

  def spy(self, train, data):
    learnt.append((data, learn(self, train, data)))
    return learnt[0][1]

  monkeypatch.setattr(DeepNeuralNetwork, "_learn", spy)
  detector = DeepNeuralNetwork(epochs=1, batch_size=2, learning_rate=0.01)
  detector.fit(world.train, clean=world.train[:60], adversarial=world.train[100:160])
  data, held_out = learnt[0]
  rows = np.arange(len(data.taps))
  assert data.area(rows, held_out) < 0.65 < 0.75 < data.area(rows, detector.score(data.taps))
