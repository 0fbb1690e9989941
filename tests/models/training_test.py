"""Training: it learns, it resumes to the same bytes, it says what is wrong."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from hfc_tf.errors import InputError
from hfc_tf.models.inference import evaluate, predict
from hfc_tf.models.resnet18 import small_resnet
from hfc_tf.models.training import train


class Interrupted(Exception):
  pass


def interrupt(line):
  if "step" not in line:  # a slow machine reports within epochs, too
    raise Interrupted


def data(count=48, seed=0):
  rng = np.random.default_rng(seed)
  labels = rng.integers(0, 2, count)
  images = rng.random((count, 16, 16, 1), np.float32)
  images[labels == 1, 4:12, 4:12] *= 0.3
  return images, labels


def resnet():
  return small_resnet((16, 16, 1), 2, widths=(4,))


def dropout_net():
  """VGG's parts: a convolution with a bias, two dense layers with dropout, no BatchNorm."""
  inputs = keras.Input((16, 16, 1))
  x = keras.layers.Conv2D(
    4, 3, strides=4, activation="relu", kernel_initializer=keras.initializers.HeNormal(0)
  )(inputs)
  x = keras.layers.Flatten()(x)
  x = keras.layers.Dense(8, "relu", kernel_initializer=keras.initializers.HeNormal(1))(x)
  x = keras.layers.Dropout(0.5, seed=7)(x)
  logits = keras.layers.Dense(2, kernel_initializer=keras.initializers.HeNormal(2))(x)
  return keras.Model(inputs, logits)


def run(model, **kwargs):
  images, labels = data()
  settings = {"epochs": 3, "batch_size": 16, "learning_rate": 3e-3, "progress": str, **kwargs}
  return train(model, images, labels, *data(16, seed=1), **settings)


def weights(model):
  return [np.asarray(w).copy() for w in model.weights]


def assert_same(first, second):
  for a, b in zip(first, second, strict=True):
    np.testing.assert_array_equal(a, b)


def test_learns_and_infers():
  model = resnet()
  history = run(model, epochs=12, learning_rate=1e-2)
  assert [row["epoch"] for row in history] == list(range(1, 13))
  assert history[-1]["loss"] < 0.5 * history[0]["loss"]
  images, labels = data(64, seed=2)
  assert evaluate(predict(model, images), labels)["accuracy"] > 0.9


def test_best_epoch_is_restored():
  model = dropout_net()
  history = run(model, epochs=6, learning_rate=0.3)  # too high: the last epoch is not the best
  losses = [row["validation_loss"] for row in history]
  assert np.argmin(losses) != 5
  images, labels = data(16, seed=1)
  logits = predict(model, images).astype(np.float64)
  chances = np.exp(logits - logits.max(-1, keepdims=True))
  chances /= chances.sum(-1, keepdims=True)
  loss = -np.mean(np.log(chances[np.arange(16), labels]))
  assert np.isclose(loss, min(losses), rtol=1e-4)


@pytest.mark.parametrize("build", [resnet, dropout_net])
def test_interrupted_training_ends_with_the_same_bytes(tmp_path, build):
  undisturbed = build()
  history = run(undisturbed)
  for _ in range(2):  # the second stop comes an epoch later
    with pytest.raises(Interrupted):
      run(build(), checkpoint_dir=tmp_path, progress=interrupt)
  lines = []
  resumed = build()
  assert run(resumed, checkpoint_dir=tmp_path, progress=lines.append) == history
  ends = [line for line in lines if "step" not in line]
  assert len(ends) == 1  # only the third epoch was left
  assert_same(weights(resumed), weights(undisturbed))
  finished = build()
  assert run(finished, checkpoint_dir=tmp_path) == history
  assert_same(weights(finished), weights(undisturbed))


@pytest.mark.parametrize("damage", ["truncate", "other seed", "lost array"])
def test_unusable_checkpoint_is_named_once_and_training_starts_again(tmp_path, caplog, damage):
  path = tmp_path / "training.npz"
  run(dropout_net(), checkpoint_dir=tmp_path, seed=int(damage == "other seed"))
  if damage == "lost array":
    with np.load(path, allow_pickle=False) as file:
      arrays = {name: file[name] for name in file.files if name != "state/3"}
    np.savez(path, **arrays)
  if damage == "truncate":
    path.write_bytes(path.read_bytes()[:-100])
  caplog.set_level(logging.WARNING, logger="absl")
  fresh, again = dropout_net(), dropout_net()
  run(fresh)
  run(again, checkpoint_dir=tmp_path)
  warnings = [r.getMessage() for r in caplog.records if r.name == "absl"]
  assert len(warnings) == 1
  assert str(path) in warnings[0]
  assert_same(weights(again), weights(fresh))


class Pixels:
  """Images decoded only when asked for."""

  def __init__(self, images):
    self.stored = np.round(images * 65535).astype(np.uint16)

  def __len__(self):
    return len(self.stored)

  def __getitem__(self, index):
    return self.stored[index] / np.float32(65535)


def test_images_may_be_an_object():
  images, labels = data()
  pixels = Pixels(images)
  validation = data(16, seed=1)
  results = []
  for given in (pixels, pixels[np.arange(len(pixels))]):
    model = dropout_net()
    train(model, given, labels, *validation, epochs=1, batch_size=16, progress=str)
    results.append(weights(model))
  assert_same(*results)


def test_seed_matters():
  first, second = dropout_net(), dropout_net()
  run(first, epochs=1)
  run(second, epochs=1, seed=1)
  assert not np.array_equal(first.weights[0], second.weights[0])


def linear_net():
  inputs = keras.Input((16, 16, 1))
  return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))


@pytest.mark.parametrize(  # ReLU hides NaN from the loss, but not from the weights
  ("build", "where"), [(dropout_net, "the end of epoch 1"), (linear_net, r"epoch 1, step \d")]
)
def test_a_training_that_is_not_finite_is_one_line(build, where):
  images, labels = data()
  images[5] = np.nan
  validation = data(16, seed=1)
  with pytest.raises(InputError, match=rf"found nan at {where}; look for NaN"):
    train(build(), images, labels, *validation, epochs=1, batch_size=16, progress=str)


@pytest.mark.parametrize(
  ("labels", "message"),
  [([0, 1], "2 labels for 3 images"), ([0, 1, 2], "0 to 2"), ([-1, 0, 1], "-1 to 1")],
)
def test_labels_that_do_not_fit(labels, message):
  images = np.zeros((3, 16, 16, 1), np.float32)
  with pytest.raises(InputError, match=message):
    train(dropout_net(), images, np.array(labels), images, np.zeros(3, int), epochs=1)


def test_empty_validation():
  images, labels = data(4)
  with pytest.raises(InputError, match="validation"):
    train(dropout_net(), images, labels, images[:0], labels[:0], epochs=1)


@pytest.mark.parametrize(
  ("settings", "message"),
  [
    ({"learning_rate": 0.0}, "learning rate 0,"),
    ({"learning_rate": float("nan")}, "learning rate nan"),
    ({"epochs": 0}, "0 epochs"),
    ({"batch_size": 0}, "batches of 0"),
  ],
)
def test_numbers_that_are_not_positive(settings, message):
  with pytest.raises(InputError, match=f"above 0, .*{message}"):
    run(dropout_net(), **settings)


def test_every_epoch_has_its_own_order_and_draws(monkeypatch):
  """Whatever Keras fetches ahead."""
  images, labels = np.arange(7, dtype=np.float32).reshape(7, 1, 1, 1), np.arange(7) % 2
  seen, step = [], keras.Model.train_step

  def seeing(self, data):
    tf.py_function(lambda x: seen.append(x.numpy().ravel().astype(int).tolist()), [data[0]], [])
    return step(self, data)

  monkeypatch.setattr(keras.Model, "train_step", seeing)
  inputs = keras.Input((1, 1, 1))
  model = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs)))
  train(model, images, labels, images, labels, epochs=3, batch_size=2, seed=5, progress=str)
  wanted = [np.random.default_rng([5, epoch, 0]).permutation(7)[:6] for epoch in range(3)]
  np.testing.assert_array_equal(np.ravel(seen), np.ravel(wanted))


def test_a_users_compiled_model_stays_as_it_was_compiled():
  model = dropout_net()
  model.compile("sgd", "mse")
  optimizer = model.optimizer
  run(model, epochs=1)
  assert model.optimizer is optimizer and not optimizer.built
