"""BatchNorm statistics recomputed over a set of images."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from hfc_tf.models.weights import leaves


class BatchNormCalibrator:
  """Replaces moving means and variances, which lag behind short trainings, by pooled ones.

  The batches' means m_b and variances v_b pool by the law of total variance, n_b images each:
    mean = sum_b n_b m_b / n,    variance = sum_b n_b (v_b + (m_b - mean)^2) / n,
  as in Wu and Johnson, "Rethinking 'Batch' in BatchNorm" (2021), section 3.2. For the first
  BatchNorm of a network they are the population's; later ones see batch-normalised inputs,
  as they do in training.

  Args:
    model: a functional model; only moving means and variances will change.
  """

  def __init__(self, model: keras.Model) -> None:
    self._model = model
    self._layers = [x for x in leaves(model) if isinstance(x, keras.layers.BatchNormalization)]
    signature = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)
    self._statistics = tf.function(self._batch_statistics, input_signature=[signature])

  def __call__(self, images: Any, batch_size: int = 32, indices: np.ndarray | None = None) -> None:
    """Recomputes the statistics over images as those of `train`, all or those of `indices`, in
    batches of nearly equal size, at most `batch_size`.
    """
    if not self._layers:
      return
    # Images sorted by class must not make batches of one class, which normalise it away.
    order = np.random.default_rng(0).permutation(len(images) if indices is None else indices)
    batches = np.array_split(order, -(-len(order) // batch_size))
    counts = [len(batch) for batch in batches]
    pairs = [self._statistics(np.asarray(images[batch], np.float32)) for batch in batches]
    for layer, statistics in zip(self._layers, zip(*pairs, strict=True), strict=True):
      means, variances = (np.array(values, np.float64) for values in zip(*statistics, strict=True))
      mean = np.average(means, 0, counts)  # [C], of [S, C]
      layer.moving_mean.assign(mean)
      layer.moving_variance.assign(np.average(variances + (means - mean) ** 2, 0, counts))

  def _batch_statistics(self, images: tf.Tensor) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """With momentum 0 the moving statistics after a training pass are the batch's own."""
    momenta = [layer.momentum for layer in self._layers]
    try:
      for layer in self._layers:
        layer.momentum = 0.0
      self._model(images, training=True)
      return [
        (tf.identity(layer.moving_mean.value), tf.identity(layer.moving_variance.value))
        for layer in self._layers
      ]
    finally:
      for layer, momentum in zip(self._layers, momenta, strict=True):
        layer.momentum = momentum
