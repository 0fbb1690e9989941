"""Random crop and flip whose draws depend on nothing but (seed, epoch, sample)."""

import numpy as np


def draws(seed: int, epoch: int, num_images: int, rank: int) -> np.ndarray:
  """Uniform numbers for one epoch; row i is sample i's, however many samples there are.

  Returns:
    float64 [num_images, rank + 1] in [0, 1): a shift per spatial axis, then the flip.
  """
  return np.random.default_rng([seed, epoch, 1]).random((num_images, rank + 1))


def augment(images: np.ndarray, uniform: np.ndarray) -> np.ndarray:
  """Reflect-pads by a sixteenth of each side, crops at random, flips the last axis in half.

  Args:
    images: [B, ..., C], any number of spatial axes.
    uniform: [B, rank + 1] in [0, 1), rows of `draws`.

  Returns:
    [B, ..., C], the shape that came in.
  """
  sides = images.shape[1:-1]
  augmented = np.empty_like(images)
  for image, draw, out in zip(images, uniform, augmented, strict=True):
    # Padding, cropping and flipping at once: one table of source indices per axis.
    tables = []
    for side, u in zip(sides, draw[:-1], strict=True):
      margin = side // 16
      index = np.abs(np.arange(side) + int(u * (2 * margin + 1)) - margin)
      tables.append(np.minimum(index, 2 * (side - 1) - index))
    if draw[-1] < 0.5:
      tables[-1] = tables[-1][::-1]
    out[...] = image[np.ix_(*tables)]
  return augmented
