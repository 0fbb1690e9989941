"""Synthetic lesions, which no training image has: signals from outside the distribution.

TMI, section V.H and Fig. 8, after Hu et al. and Yao et al. (IEEE TMI 2021): an ellipse deformed
elastically gives the shape, salt noise under a Gaussian filter the texture, and the edge is
blurred. The paper prints no sizes and no contrasts: those below were chosen before any score was
seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from hfc_tf.data.drawing import Array, windows
from hfc_tf.errors import InputError

# Mean diameter in fractions of the shorter image side; each axis is 3/4 to 5/4 of it.
SIZES = {"tiny": 1 / 32, "small": 1 / 16, "medium": 1 / 8, "large": 1 / 4}
MAX_COUNT = 6
_CONTRAST = (0.2, 0.5)  # what the brightest point of a lesion adds to the image
_SALT = (0.1, 0.4)  # the part of the pixels that the salt noise sets
_GRAINS = (0.04, 0.08, 0.16)  # sigmas of the texture's filter, in diameters; each lesion draws one
_KNOTS = 6  # of the elastic displacement, along each axis of the patch
_BEND = 0.25  # the largest displacement along an axis, in diameters
_EDGE = 0.08  # sigma of the edge's blur, in diameters; at least half a pixel


def add_lesions(
  images: Array, size: str, count: int, seed: int, ids: Sequence[object] | Array | None = None
) -> tuple[Array, Array]:
  """Adds bright lesions at random places of the body.

      image + alpha c t,    alpha the blurred shape, c the contrast, t the texture, all in [0, 1]

  Each lesion depends on (seed, id, its number) and the image alone, so that a smaller count gives
  the first of the same lesions. They may overlap. For another draw of an image change the seed.

  Args:
    images: float32 [N, H, W, C] in [0, 1], grey or RGB, at least 16 pixels a side; not changed.
    size: a key of SIZES.
    count: lesions an image, 1 to 6.
    seed: of the draws, at least 0.
    ids: N names or numbers, the keys of the draws; 0 ... N - 1 by default.

  Returns:
    images: float32 [N, H, W, C] in [0, 1].
    boxes: int32 [N, count, 4], (top, left, bottom, right) of each lesion, the last two exclusive;
      nothing changes outside them.

  Raises:
    InputError: unknown size, a count or a seed out of range, or images that are no such array.
  """
  images = np.asarray(images)
  _check(images, size, count, seed)
  keys: Sequence[object] = range(len(images)) if ids is None else list(ids)
  if len(keys) != len(images):
    raise InputError(f"{len(images)} ids", str(len(keys)), "give each image its own")
  diameter = SIZES[size] * min(images.shape[1:3])  # pixels
  result = images.astype(np.float32)
  boxes = np.zeros((len(images), count, 4), np.int32)
  for start in range(0, len(images), 16):  # as many patches at once as memory is sure to hold
    rows = slice(start, start + 16)
    streams = [_stream(seed, key, number) for key in keys[rows] for number in range(count)]
    patches = _patches(streams, diameter)  # [B count, P, P]
    centres = _centres(images[rows], streams, diameter)  # [B count, 2]
    for index, (patch, centre) in enumerate(zip(patches, centres, strict=True)):
      image = start + index // count
      boxes[image, index % count] = _paste(result[image], patch, centre)
  return result, boxes


def foreground(images: Array) -> Array:
  """The body in images [N, H, W, C]: bool [N, H, W], what is not black once small gaps close.

  A tenth of an image's 99th percentile of brightness tells it from the background.
  """
  brightness = images.max(axis=-1)  # [N, H, W]
  sigma = min(images.shape[1:3]) / 32
  smooth = ndimage.gaussian_filter(brightness, (0, sigma, sigma))
  level = 0.1 * np.quantile(brightness, 0.99, axis=(1, 2), keepdims=True)
  return np.asarray(smooth > level)


def _stream(seed: int, key: object, number: int) -> np.random.Generator:
  digest = hashlib.sha256(str(key).encode()).digest()[:8]
  return np.random.default_rng([seed, int.from_bytes(digest, "little"), number])


def _patches(streams: list[np.random.Generator], diameter: float) -> Array:
  """What each lesion adds to the image, float32 [M, P, P], zero on the border."""
  half = int(np.ceil(1.25 * diameter)) + 2  # holds axes, displacement and blur
  side = 2 * half + 1
  uniform = np.stack([stream.random(6) for stream in streams], dtype=np.float32)  # [M, 6]
  knots = np.stack([stream.standard_normal((2, _KNOTS, _KNOTS), np.float32) for stream in streams])
  salt = np.stack([stream.random((side, side), np.float32) for stream in streams])  # [M, P, P]

  # Elastic deformation: every point of the patch is looked up a little beside it.
  spread = windows(side, _KNOTS)  # [P, knots]
  moves = _BEND * np.tanh(spread @ knots @ spread.T)  # [M, 2, P, P], in diameters
  line = np.arange(-half, half + 1, dtype=np.float32) / diameter
  y, x = line[:, None] + moves[:, 0], line + moves[:, 1]  # [M, P, P]
  radii = 0.5 * (0.75 + 0.5 * uniform[:, :2, None, None])  # [M, 2, 1, 1]
  turn = np.pi * uniform[:, 2, None, None]
  across = (x * np.cos(turn) + y * np.sin(turn)) / radii[:, 0]
  along = (y * np.cos(turn) - x * np.sin(turn)) / radii[:, 1]
  shape = (np.hypot(across, along) < 1).astype(np.float32)
  shape[:, half, half] = 1  # the tiniest lesion still has a pixel
  edge = max(_EDGE * diameter, 0.5)
  alpha = ndimage.gaussian_filter(shape, (0, edge, edge), truncate=3)  # [M, P, P]

  low, high = _SALT
  grains = (salt < low + (high - low) * uniform[:, 3, None, None]).astype(np.float32)
  choice = (uniform[:, 4] * len(_GRAINS)).astype(int)  # [M]
  for index, grain in enumerate(_GRAINS):
    sigma = max(grain * diameter, 0.5)
    chosen = choice == index
    grains[chosen] = ndimage.gaussian_filter(grains[chosen], (0, sigma, sigma))
  inside = np.where(shape > 0, grains, 0)
  texture = np.minimum(grains / np.maximum(inside.max(axis=(1, 2), keepdims=True), 1e-6), 1)

  low, high = _CONTRAST
  contrast = low + (high - low) * uniform[:, 5, None, None]  # [M, 1, 1]
  # Half of a lesion's brightness is even, so that no grain is missing where salt fell thinly.
  patches = alpha * contrast * (0.5 + 0.5 * texture)
  return np.where(patches > 1 / 512, patches, 0)  # what 8 bits would not show is not there


def _centres(images: Array, streams: list[np.random.Generator], diameter: float) -> Array:
  """Where the lesions lie, int [M, 2]: a square of their diameter is all body, as far as can be."""
  count, half = len(streams) // len(images), int(np.ceil(diameter / 2))
  side = 2 * half + 1
  body = foreground(images).astype(np.float32)  # [N, H, W]
  rows = sliding_window_view(body, side, axis=1).sum(-1)  # [N, H - S + 1, W]
  cover = sliding_window_view(rows, side, axis=2).sum(-1)  # [N, H - S + 1, W - S + 1]
  centres = np.empty((len(streams), 2), np.int64)
  for image, covered in enumerate(cover):
    candidates = np.flatnonzero(covered >= 0.99 * covered.max())
    for index in range(image * count, (image + 1) * count):
      chosen = candidates[int(streams[index].random() * len(candidates))]
      centres[index] = np.divmod(chosen, covered.shape[1])
  return centres + half


def _paste(image: Array, patch: Array, centre: Array) -> Array:
  """Adds a patch to an image [H, W, C] in place; returns the box around what it adds."""
  offset = centre - patch.shape[0] // 2  # of the patch in the image
  spans = [np.flatnonzero(patch.any(axis=axis))[[0, -1]] + (0, 1) for axis in (1, 0)]
  box: Array = np.clip(
    np.transpose(spans) + offset, 0, image.shape[:2]
  )  # [first, last + 1] x [y, x]
  (top, left), (bottom, right) = box - offset
  view = image[box[0, 0] : box[1, 0], box[0, 1] : box[1, 1]]
  np.clip(view + patch[top:bottom, left:right, None], 0, 1, out=view)
  return box.ravel()


def _check(images: Array, size: str, count: int, seed: int) -> None:
  if size not in SIZES:
    raise InputError(f"a lesion size among {', '.join(SIZES)}", repr(size), "name one of them")
  if not 1 <= count <= MAX_COUNT:
    raise InputError(f"1 to {MAX_COUNT} lesions an image", str(count), "change the count")
  if seed < 0:
    raise InputError("a seed of at least 0", str(seed), "raise it")
  if images.ndim != 4 or images.shape[-1] not in (1, 3) or min(images.shape[1:3]) < 16:
    expected = "images [N, H, W, C] of 1 or 3 channels and at least 16 pixels a side"
    raise InputError(expected, str(list(images.shape)), "resize them, or slice volumes")
  if images.size and not (images.min() >= 0 and images.max() <= 1):
    raise InputError("images in [0, 1]", "other values or NaN", "rescale them")


def parse(entries: Sequence[str]) -> list[tuple[str, int]]:
  """What --lesions says: ["small:2"] -> [("small", 2)].

  Raises:
    InputError: for an entry of another form.
  """
  lesions = []
  for entry in entries:
    size, _, count = entry.partition(":")
    if size not in SIZES or not count.isdigit() or not 1 <= int(count) <= MAX_COUNT:
      form = f"size:number with a size among {', '.join(SIZES)} and 1 to {MAX_COUNT} lesions"
      raise InputError(form, repr(entry), "write e.g. --lesions=small:2,large:1")
    lesions.append((size, int(count)))
  return lesions
