"""Training batches, randomly cropped and flipped: they follow from (seed, epoch, sample) alone."""

from typing import Any

import keras
import numpy as np


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
  """Batches of images [B, ..., C] and labels [B].

  Args:
    images, labels, batch_size: as those of `train`.
    seed: of shuffled, augmented, whole batches; None: every image in order.
  """

  def __init__(
    self, images: Any, labels: np.ndarray, batch_size: int, seed: int | None = None
  ) -> None:
    super().__init__()
    self._images, self._labels, self._size, self._seed = images, labels, batch_size, seed
    self.begin(0)

  def begin(self, epoch: int) -> None:
    """Draws the order and augmentation of an epoch, from 0."""
    count = len(self._labels)
    order, uniform = np.arange(count), None
    if self._seed is not None:
      order = np.random.default_rng([self._seed, epoch, 0]).permutation(count)
      uniform = draws(self._seed, epoch, count, np.ndim(self._images[order[:1]]) - 2)
    self._epoch = order, uniform

  def __len__(self) -> int:
    whole, rest = divmod(len(self._labels), self._size)
    return whole + (self._seed is None and rest > 0)

  def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
    order, uniform = self._epoch
    rows = order[index * self._size : (index + 1) * self._size]
    pixels = np.asarray(self._images[rows], np.float32)  # [B, ..., C]
    return pixels if uniform is None else augment(pixels, uniform[rows]), self._labels[rows]


def draws(seed: int, epoch: int, num_images: int, rank: int) -> np.ndarray:
  """Uniform numbers in [0, 1) for one epoch, [num_images, rank + 1]: a shift per spatial axis, then
  the flip; row i is sample i's, however many samples there are.
  """
  return np.random.default_rng([seed, epoch, 1]).random((num_images, rank + 1))


def augment(images: np.ndarray, uniform: np.ndarray) -> np.ndarray:
  """Reflect-pads images [B, ..., C] by a sixteenth of each side, crops them at random and flips the
  last axis of half of them, by rows of `draws`, [B, rank + 1].
  """
  augmented = np.empty_like(images)
  for image, draw, out in zip(images, uniform, augmented, strict=True):
    # Padding, cropping and flipping at once: one table of source indices per axis.
    tables = []
    for side, u in zip(image.shape[:-1], draw[:-1], strict=True):
      margin = side // 16
      index = np.abs(np.arange(side) + int(u * (2 * margin + 1)) - margin)
      tables.append(np.minimum(index, 2 * (side - 1) - index))
    if draw[-1] < 0.5:
      tables[-1] = tables[-1][::-1]
    out[...] = image[np.ix_(*tables)]
  return augmented
