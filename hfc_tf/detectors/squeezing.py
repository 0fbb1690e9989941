"""Feature squeezing: how much the prediction changes on a simplified image (Xu et al.)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import ClassVar

import tensorflow as tf

from hfc_tf.detectors.images import ImageDetector
from hfc_tf.detectors.learning import AdvTrain, select
from hfc_tf.detectors.storage import Array, Tensor
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel, Taps


class FeatureSqueezing(ImageDetector):
  """Largest L1 distance between class probabilities of the image and of its squeezed forms.

      score(x) = max_s |p(x) - p(squeeze_s(x))|_1

  (Xu et al., NDSS 2018, joint detection.) The squeezers reduce the bit depth or take medians over
  a sliding window; which of them fit the data, all together or one alone, is chosen by
  cross-validation inside AdvTrain. Their third squeezer, non-local means, is in no library of
  TensorFlow operations and left out. Gradients pass straight through the rounding.

  Args:
    bit_depths: bits a pixel that are left, one squeezer each.
    medians: widths in pixels of the median's window, one squeezer each.
    seed: of the folds.
  """

  key = "squeezing"
  train_images: ClassVar[int] = 1
  per_layer: ClassVar[bool] = True

  def __init__(
    self, bit_depths: Sequence[int] = (5, 4), medians: Sequence[int] = (2, 3), seed: int = 0
  ) -> None:
    self.bit_depths = bit_depths
    self.medians = medians
    self.seed = seed

  def _choose_layers(self, train: Taps) -> list[str]:
    depths = [f"bit depth {depth}" for depth in self.bit_depths]
    if not [*self.bit_depths, *self.medians] or min([*self.bit_depths, *self.medians]) < 1:
      raise InputError(
        "bit depths and median widths of at least 1",
        f"{list(self.bit_depths)} and {list(self.medians)}",
        "name at least one squeezer",
      )
    return depths + [f"median {size}" for size in self.medians]

  def _learn(self, train: Taps, data: AdvTrain) -> Array:
    self._freeze()
    distances = self._over_images(self.layer_image_tensor, data)  # [N, S]
    every = range(distances.shape[1])
    candidates = [list(every), *([s] for s in every)]
    self.chosen_, scores = select(
      data, candidates, lambda chosen, _, rows: distances[rows][:, chosen].max(axis=1), self.seed
    )
    return scores

  def layer_image_tensor(self, model: TappedModel, images: Tensor) -> Tensor:
    """L1 distances `[B, S]` of each squeezer, between 0 and 2."""
    return self._distances(model, images, range(len(self.layers_)))

  def score_image_tensor(self, model: TappedModel, images: Tensor) -> Tensor:
    """The largest distance of the chosen squeezers `[B]`."""
    return tf.reduce_max(self._distances(model, images, self.chosen_), axis=1)

  def _distances(self, model: TappedModel, images: Tensor, squeezers: Iterable[int]) -> Tensor:
    plain = tf.nn.softmax(model(images)[0])  # [B, K]
    columns = []
    for s in squeezers:
      if s < len(self.bit_depths):
        squeezed = reduce_depth(images, self.bit_depths[s])
      else:
        squeezed = median(images, self.medians[s - len(self.bit_depths)])
      gap = tf.nn.softmax(model(squeezed)[0]) - plain  # [B, K]
      columns.append(tf.reduce_sum(tf.abs(gap), axis=1))
    return tf.stack(columns, axis=1)


def reduce_depth(images: Tensor, depth: int) -> Tensor:
  """Images in [0, 1] rounded to 2^depth levels; the gradient is the identity's."""
  levels = 2.0**depth - 1.0
  return images + tf.stop_gradient(tf.round(images * levels) / levels - images)


def median(images: Tensor, size: int) -> Tensor:
  """Median of a window of `size` pixels along every axis of space, borders mirrored.

  Of an even number of values the upper middle one, as SciPy's `median_filter`.

  Args:
    images: `[B, H, W, C]` or `[B, D, H, W, C]`.
    size: width of the window; an even one reaches one pixel further back than forth.
  """
  spatial = len(images.shape) - 2
  before, after = size // 2, size - 1 - size // 2
  padded = tf.pad(images, [[0, 0], *[[before, after]] * spatial, [0, 0]], "SYMMETRIC")
  shifts = itertools.product(range(size), repeat=spatial)
  windows = tf.stack(
    [tf.slice(padded, [0, *shift, 0], tf.shape(images)) for shift in shifts], axis=-1
  )  # [B, ..., C, size^spatial]
  count = size**spatial
  return tf.math.top_k(windows, count - count // 2).values[..., -1]
