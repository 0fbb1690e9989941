"""A small network on each layer's features (Metzen et al.)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from hfc_tf.checked import layer_list
from hfc_tf.detectors.base import Detector, Features
from hfc_tf.detectors.gaussians import spread
from hfc_tf.detectors.learning import AdvTrain
from hfc_tf.detectors.storage import Array, Tensor
from hfc_tf.taps import Taps


class DeepNeuralNetwork(Detector):
  """DNN: one small network for each layer's channel means, logits summed over the layers.

      score(x) = sum_l v_l' relu(W_l s_l(f_l(x)) + b_l) + a_l

  (section V of TMI; Metzen et al., ICLR 2017, on activation maps.) Each layer's networks, one for
  each fold and one for all rows, are columns of the same products, so that one loop trains them
  all. The networks of all rows are kept from the epoch at which the out-of-fold scores are best.
  The scaler s_l knows Train alone, so no fold leaks through it.

  Args:
    units: hidden units per layer.
    epochs: at most so many passes over AdvTrain.
    patience: passes without a better out-of-fold score before the loop ends.
    learning_rate: of AdamW.
    weight_decay: of AdamW.
    batch_size: rows a step.
    folds: number of folds.
    layers: names of the layers to read; None for all.
    seed: of the initial weights, the order of rows and the folds.
  """

  key = "dnn"
  per_layer: ClassVar[bool] = True

  def __init__(
    self,
    units: int = 64,
    epochs: int = 30,
    patience: int = 6,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-2,
    batch_size: int = 128,
    folds: int = 3,
    layers: Sequence[str] | None = None,
    seed: int = 0,
  ) -> None:
    self.units = units
    self.epochs = epochs
    self.patience = patience
    self.learning_rate = learning_rate
    self.weight_decay = weight_decay
    self.batch_size = batch_size
    self.folds = folds
    self.layers = layers
    self.seed = seed

  def _choose_layers(self, train: Taps) -> list[str]:
    return layer_list(self.layers, train)

  def _learn(self, train: Taps, data: AdvTrain) -> Array:
    self.center_ = {n: train.features[n].mean(axis=0) for n in self.layers_}
    self.scale_ = {n: spread(train.features[n]).astype(np.float32) for n in self.layers_}
    inputs = [
      tf.constant((data.taps.features[name] - self.center_[name]) / self.scale_[name])
      for name in self.layers_
    ]
    folds = list(data.folds(self.folds, self.seed))
    everything = np.arange(len(data.taps))
    weights = np.zeros([len(everything), len(folds) + 1], np.float32)  # [N, M]
    for m, rows in enumerate([*(learn for learn, _ in folds), everything]):
      weights[rows, m] = data.weights(rows)
    truth = tf.constant(data.is_adversarial[:, None], tf.float32)  # [N, 1]
    variables = self._initial(len(folds) + 1)
    optimizer = keras.optimizers.AdamW(self.learning_rate, weight_decay=self.weight_decay)
    flat = [v for layer in variables for v in layer]
    optimizer.build(flat)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step(rows: Tensor, row_weights: Tensor) -> None:
      with tf.GradientTape() as tape:
        loss = 0.0
        for values, layer in zip(inputs, variables, strict=True):
          logits = _networks(tf.gather(values, rows), *layer)  # [B, M]
          target = tf.broadcast_to(tf.gather(truth, rows), tf.shape(logits))
          entropy = tf.nn.sigmoid_cross_entropy_with_logits(target, logits)
          loss += tf.reduce_sum(tf.reduce_mean(row_weights * entropy, axis=0))
      optimizer.apply_gradients(zip(tape.gradient(loss, flat), flat, strict=True))

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def outputs() -> Tensor:
      pairs = zip(inputs, variables, strict=True)
      return tf.add_n([_networks(values, *layer) for values, layer in pairs])  # [N, M]

    best, best_scores = (-1.0, 0.0), np.zeros(len(everything))
    for epoch in range(self.epochs):
      order = np.random.default_rng([self.seed, epoch]).permutation(len(everything))
      for rows in np.array_split(order, max(1, round(len(order) / self.batch_size))):
        padded = np.pad(rows, (0, self._rows_a_step(len(order)) - len(rows)))
        row_weights = np.where(np.arange(len(padded))[:, None] < len(rows), weights[padded], 0)
        step(tf.constant(padded), tf.constant(row_weights, tf.float32))
      logits = outputs().numpy()
      scores = np.zeros(len(everything))
      for m, (_, held_out) in enumerate(folds):
        scores[held_out] = logits[held_out, m]
      mean_logit = scores / len(self.layers_)
      signs = np.where(data.is_adversarial, -1.0, 1.0)
      loss = np.average(np.logaddexp(0.0, signs * mean_logit), weights=weights[:, -1])
      quality = (round(data.area(everything, scores), 3), -float(loss))
      if quality > best:
        best, best_scores, self.epochs_ = quality, scores, epoch + 1
        self._keep(variables)
      elif epoch + 1 - self.epochs_ >= self.patience:
        break
    return best_scores

  def _rows_a_step(self, rows: int) -> int:
    return -(-rows // max(1, round(rows / self.batch_size)))

  def _initial(self, models: int) -> list[list[tf.Variable]]:
    """Glorot-uniform kernels of all models side by side: `[C, M U]`, `[M U]`, `[M, U]`, `[M]`."""
    variables = []
    for i, name in enumerate(self.layers_):
      channels = len(self.center_[name])
      rng = np.random.default_rng([self.seed, i])
      bound = np.sqrt(6.0 / (channels + self.units))
      # The same start for every model: folds then differ in nothing but their rows.
      kernel = np.tile(rng.uniform(-bound, bound, [channels, self.units]), [1, models])
      bound = np.sqrt(6.0 / (1 + self.units))
      output = np.tile(rng.uniform(-bound, bound, [1, self.units]), [models, 1])
      shapes = [kernel, np.zeros(models * self.units), output, np.zeros(models)]
      variables.append([tf.Variable(values, dtype=tf.float32) for values in shapes])
    return variables

  def _keep(self, variables: list[list[tf.Variable]]) -> None:
    """Takes the networks of all rows, the last model of each layer."""
    self.kernel_, self.bias_, self.output_, self.offset_ = {}, {}, {}, {}
    for name, (kernel, bias, output, offset) in zip(self.layers_, variables, strict=True):
      self.kernel_[name] = kernel.numpy()[:, -self.units :]
      self.bias_[name] = bias.numpy()[-self.units :]
      self.output_[name] = output.numpy()[-1:]
      self.offset_[name] = offset.numpy()[-1:]

  def layer_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """Logits `[B, L]` of the networks."""
    tensors = self._tensors
    columns = []
    for name in self.layers_:
      scaled = (features[name] - tensors[f"center_/{name}"]) / tensors[f"scale_/{name}"]
      network = [tensors[f"{p}/{name}"] for p in ("kernel_", "bias_", "output_", "offset_")]
      columns.append(_networks(scaled, *network)[:, 0])
    return tf.stack(columns, axis=1)

  def score_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """The sum of the networks' logits `[B]`."""
    return tf.reduce_sum(self.layer_tensor(features, logits), axis=1)


def _networks(
  values: Tensor, kernel: Tensor, bias: Tensor, output: Tensor, offset: Tensor
) -> Tensor:
  """Logits `[B, M]` of M networks of U units over the same inputs `[B, C]`."""
  hidden = tf.nn.relu(tf.matmul(values, kernel) + bias)  # [B, M U]
  hidden = tf.reshape(hidden, [-1, *output.shape])  # [B, M, U]
  return tf.reduce_sum(hidden * output, axis=2) + offset
