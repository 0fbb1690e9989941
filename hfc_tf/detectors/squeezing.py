"""Feature squeezing: how much the prediction changes on a simplified image (Xu et al.)."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Sequence

import tensorflow as tf

from hfc_tf.detectors.images import ImageDetector
from hfc_tf.detectors.learning import AdvTrain, Array, Tensor, select
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel, Taps


@dataclasses.dataclass(eq=False, repr=False)
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
  train_images = 1
  bit_depths: Sequence[int] = (5, 4)
  medians: Sequence[int] = (2, 3)
  seed: int = 0

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
    distances = self._over_images(self.layer_image_tensor, data)  # [N, S]
    every = list(range(len(self.layers_)))
    self.chosen_, scores = select(
      data,
      [every, *([s] for s in every)],
      lambda chosen, _, rows: distances[rows][:, chosen].max(axis=1),
      self.seed,
    )
    return scores

  def layer_image_tensor(self, model: TappedModel, images: Tensor) -> Tensor:
    """L1 distances `[B, S]` of each squeezer, between 0 and 2."""
    return self._distances(model, images, range(len(self.layers_)))

  def score_image_tensor(self, model: TappedModel, images: Tensor) -> Tensor:
    """The largest distance of the chosen squeezers `[B]`, without the work of the others."""
    return tf.reduce_max(self._distances(model, images, self.chosen_), axis=1)

  def join(self, layers: Tensor) -> Tensor:
    """The same, of all squeezers' distances `[B, S]`."""
    return tf.reduce_max(tf.gather(layers, self.chosen_, axis=1), axis=1)

  def _distances(self, model: TappedModel, images: Tensor, squeezers: Iterable[int]) -> Tensor:
    forms = [functools.partial(reduce_depth, images, depth) for depth in self.bit_depths]
    forms += [functools.partial(median, images, size) for size in self.medians]
    plain = tf.nn.softmax(model(images)[0])  # [B, K]
    gaps = [tf.nn.softmax(model(forms[s]())[0]) - plain for s in squeezers]
    return tf.stack([tf.reduce_sum(tf.abs(gap), axis=1) for gap in gaps], axis=1)


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
