"""What networks end in."""

import keras
import numpy as np
import pytest

from hfc_tf.errors import InputError
from hfc_tf.fast import forms
from hfc_tf.taps import TappedModel
from tests.tapping.agreement import L, agree, classifier


class _Cosine(L.Dense):
  """A Dense layer whose call is not affine."""

  def call(self, inputs, training=None):
    kernel = keras.ops.normalize(self.kernel, 0)
    return 10 * keras.ops.matmul(keras.ops.normalize(inputs, -1), kernel)


class _Scores(L.Layer):
  """A head of one's own that holds its activation."""

  def __init__(self, units):
    super().__init__()
    self.units, self.activation = units, keras.activations.softmax

  def build(self, shape):
    self.w = self.add_weight(shape=(shape[-1], self.units))

  def call(self, inputs):
    return self.activation(keras.ops.matmul(inputs, self.w))


def _by_hand(features):
  powers = keras.ops.exp(L.Dense(3)(features))
  return powers / keras.ops.sum(powers, axis=-1, keepdims=True)


_TAILS = {
  "logits": lambda h: L.Dense(3)(h),
  "softmax": lambda h: L.Dense(3, "softmax")(h),
  "softmax, then float32": lambda h: L.Activation("linear", dtype="float32")(
    L.Dense(3, "softmax")(h)
  ),
  "softmax, then identity": lambda h: L.Identity()(L.Softmax()(L.Dense(3)(h))),
  "softmax by hand": _by_hand,
  "log softmax": lambda h: keras.ops.log_softmax(L.Dense(3)(h)),
  "temperature": lambda h: L.Softmax()(L.Dense(3)(h) / 2.5),
  "clipped": lambda h: keras.ops.clip(L.Dense(3, "softmax")(h), 1e-7, 1.0),
  "sigmoid unit": lambda h: L.Dense(1, "sigmoid")(h),
  "sigmoid unit, reshaped": lambda h: L.Reshape((1,))(L.Dense(1, "sigmoid")(h)),
  "mean of twice the same": lambda h: (lambda z: L.Average()([z, z]))(L.Dense(1, "sigmoid")(h)),
  "logit unit": lambda h: L.Dense(1)(h),
  "cosine": lambda h: _Cosine(2, use_bias=False)(h),
  "einsum": lambda h: L.EinsumDense("ab,bc->ac", output_shape=3, activation="softmax")(h),
  "own layer": lambda h: _Scores(3)(h),
}


@pytest.mark.parametrize("name", _TAILS)
def test_logits_are_found_behind_every_tail(name):
  taps, tapped = agree(classifier(_TAILS[name]))
  assert tapped.num_classes == (2 if "unit" in name or name in ("cosine", _MEAN) else 3)
  assert next(iter(taps.features)).startswith("conv2d")
  if name == "temperature":  # the head is the map from features to what softmax sees
    assert taps.penultimate.startswith("conv2d")


_MEAN = "mean of twice the same"


def test_other_logits_are_refused_where_softmax_would_hide_them(monkeypatch):
  model = classifier(_TAILS["logits"])
  kernel, _ = model.layers[-1].get_weights()
  model.layers[-1].set_weights([kernel, np.float32([500, 0, -500])])
  TappedModel(model, fold=True)
  monkeypatch.setattr(forms, "_fold", lambda layer, norm: (9 * layer.kernel.numpy(), np.zeros(8)))
  with pytest.raises(InputError, match=r"give the logits of"):
    TappedModel(model, fold=True)


def test_a_mean_of_two_softmax_heads_has_no_logits_and_is_refused():
  model = classifier(lambda h: L.Average()([L.Dense(3, "softmax")(h), L.Dense(3, "softmax")(h)]))
  with pytest.raises(InputError, match="softmax that could not be unwrapped"):
    TappedModel(model)


def test_other_probabilities_than_the_models_are_refused_with_both(monkeypatch):
  monkeypatch.setattr(forms, "_fold", lambda layer, norm: (3 * layer.kernel.numpy(), np.zeros(8)))
  with pytest.raises(InputError, match=r"probabilities of .*\[0\.\d{4} .*found \[0\.\d{4} "):
    TappedModel(classifier(_TAILS["softmax"]), fold=True)
