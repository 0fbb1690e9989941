"""Training batches, randomly cropped and flipped: they follow from (seed, epoch, sample) alone."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
  """Batches of images [B, ..., C] and labels [B].

  Args:
    images, labels, batch_size: as those of `train`.
    seed: of shuffled, augmented, whole batches; None: every image in order.
    crop: sides of random crops; None: of the images', a sixteenth off at most.
  """

  def __init__(
    self,
    images: Any,
    labels: np.ndarray,
    batch_size: int,
    seed: int | None = None,
    crop: Sequence[int] | None = None,
  ) -> None:
    super().__init__()
    self._images, self._labels, self._size, self._seed = images, labels, batch_size, seed
    self._crop = crop
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
    if uniform is not None:
      pixels = augment(pixels, uniform[rows], self._crop)
    return pixels, self._labels[rows]


class Centre:
  """The central crops of a sequence of images, [r, ..., C] at rows int [r]."""

  def __init__(self, images: Any, crop: Sequence[int]) -> None:
    self._images, self._crop = images, crop

  def __len__(self) -> int:
    return len(self._images)

  def __getitem__(self, rows: np.ndarray) -> np.ndarray:
    pixels = np.asarray(self._images[rows])
    starts = [(side - size) // 2 for side, size in zip(pixels.shape[1:-1], self._crop, strict=True)]
    return pixels[:, *(slice(a, a + size) for a, size in zip(starts, self._crop, strict=True))]


def draws(seed: int, epoch: int, num_images: int, rank: int) -> np.ndarray:
  """Uniform numbers in [0, 1) for one epoch, [num_images, rank + 1]: a shift per spatial axis, then
  the flip; row i is sample i's, however many samples there are.
  """
  return np.random.default_rng([seed, epoch, 1]).random((num_images, rank + 1))


def augment(
  images: np.ndarray, uniform: np.ndarray, crop: Sequence[int] | None = None
) -> np.ndarray:
  """Reflect-pads images [B, ..., C] by a sixteenth of each side, crops them at random and flips the
  last axis of half of them, by rows of `draws`, [B, rank + 1]. With `crop`, the sides of what is
  cut out, there is no padding (TMI section V.A: 30 x 128 x 128 of brain CT).
  """
  sides = images.shape[1:-1] if crop is None else tuple(crop)
  augmented = np.empty((len(images), *sides, images.shape[-1]), images.dtype)
  for image, draw, out in zip(images, uniform, augmented, strict=True):
    # Padding, cropping and flipping at once: one table of source indices per axis.
    tables = []
    for side, size, u in zip(image.shape[:-1], sides, draw[:-1], strict=True):
      margin = side // 16 if crop is None else 0
      index = np.abs(np.arange(size) + int(u * (side - size + 2 * margin + 1)) - margin)
      tables.append(np.minimum(index, 2 * (side - 1) - index))
    if draw[-1] < 0.5:
      tables[-1] = tables[-1][::-1]
    out[...] = image[np.ix_(*tables)]
  return augmented
