"""A small network on each layer's features (Metzen et al.)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from hfc_tf.detectors.base import Detector, Features
from hfc_tf.detectors.learning import ALL, AdvTrain, Array, Tensor
from hfc_tf.taps import Taps

_NETWORK = ("kernel_", "bias_", "output_", "offset_")


@dataclasses.dataclass(eq=False, repr=False)
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
    layers: see `Detector`.
    seed: see `Detector`.
  """

  key = "dnn"
  units: int = 64
  epochs: int = 30
  patience: int = 6
  learning_rate: float = 1e-3
  weight_decay: float = 1e-2
  batch_size: int = 128
  folds: int = 3
  layers: Sequence[str] | None = None
  seed: int = 0

  def _learn(self, train: Taps, data: AdvTrain) -> Array:
    self._learn_scale(train, train)
    inputs = [self._standard(name, data.taps.features[name]) for name in self.layers_]
    everything = np.arange(len(data.taps))
    folds = list(data.folds(self.folds, self.seed))
    learning = [*(learn for learn, _ in folds), everything]
    weights = np.zeros([len(everything), len(learning)], np.float32)  # [N, M]
    for m, rows in enumerate(learning):
      weights[rows, m] = data.weights(rows)
    truth = tf.constant(data.is_adversarial[:, None], tf.float32)  # [N, 1]
    variables = [
      self._initial(i, values.shape[1], len(learning)) for i, values in enumerate(inputs)
    ]
    flat = [variable for layer in variables for variable in layer]
    optimizer = keras.optimizers.AdamW(self.learning_rate, weight_decay=self.weight_decay)
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
    steps = max(1, round(len(everything) / self.batch_size))
    size = -(-len(everything) // steps)  # rows a step, some of them padded
    for epoch in range(self.epochs):
      order = np.random.default_rng([self.seed, epoch]).permutation(len(everything))
      for rows in np.array_split(order, steps):
        padded = np.pad(rows, (0, size - len(rows)))
        row_weights = np.where(np.arange(size)[:, None] < len(rows), weights[padded], 0)
        step(tf.constant(padded), tf.constant(row_weights, tf.float32))
      logits = outputs().numpy()
      scores = np.zeros(len(everything))
      for m, (_, held_out) in enumerate(folds):
        scores[held_out] = logits[held_out, m]
      mean_logit = scores / len(self.layers_)
      signs = np.where(data.is_adversarial, -1.0, 1.0)
      loss = np.average(np.logaddexp(0.0, signs * mean_logit), weights=weights[:, -1])
      quality = (round(data.area(ALL, scores), 3), -float(loss))
      if quality > best:
        best, best_scores, self.epochs_ = quality, scores, epoch + 1
        arrays = [[variable.numpy() for variable in layer] for layer in variables]
        last = [(k[:, -self.units :], b[-self.units :], o[-1:], a[-1:]) for k, b, o, a in arrays]
        for key, values in zip(_NETWORK, zip(*last, strict=True), strict=True):
          setattr(self, key, dict(zip(self.layers_, values, strict=True)))
      elif epoch + 1 - self.epochs_ >= self.patience:
        break
    return best_scores

  def _initial(self, layer: int, channels: int, models: int) -> list[tf.Variable]:
    """Glorot-uniform kernels of all models side by side: `[C, M U]`, `[M U]`, `[M, U]`, `[M]`."""
    rng = np.random.default_rng([self.seed, layer])
    bound = np.sqrt(6.0 / (channels + self.units))
    # The same start for every model: folds then differ in nothing but their rows.
    kernel = np.tile(rng.uniform(-bound, bound, [channels, self.units]), [1, models])
    bound = np.sqrt(6.0 / (1 + self.units))
    output = np.tile(rng.uniform(-bound, bound, [1, self.units]), [models, 1])
    shapes = [kernel, np.zeros(models * self.units), output, np.zeros(models)]
    return [tf.Variable(values, dtype=tf.float32) for values in shapes]

  def layer_tensor(self, features: Features, logits: Tensor) -> Tensor:
    """Logits `[B, L]` of the networks."""
    columns = []
    for name in self.layers_:
      network = [self._tensors[key][name] for key in _NETWORK]
      columns.append(_networks(self._standard(name, features[name]), *network)[:, 0])
    return tf.stack(columns, axis=1)


def _networks(
  values: Tensor, kernel: Tensor, bias: Tensor, output: Tensor, offset: Tensor
) -> Tensor:
  """Logits `[B, M]` of M networks of U units over the same inputs `[B, C]`."""
  hidden = tf.nn.relu(tf.matmul(values, kernel) + bias)  # [B, M U]
  hidden = tf.reshape(hidden, [-1, *output.shape])  # [B, M, U]
  return tf.reduce_sum(hidden * output, axis=2) + offset
