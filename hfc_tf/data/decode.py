"""Image files of many kinds to one array: checked, decoded in parallel, resized."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import logging

from hfc_tf.data import image_file
from hfc_tf.data.cache import Decoded, cached, in_order
from hfc_tf.data.image_file import Header as Header
from hfc_tf.data.image_file import look as look
from hfc_tf.errors import InputError

_CACHE_VERSION = 3
_BITS = (8, 10, 12, 14, 16)  # that cameras and scanners store in 16-bit files
_BLOCK = 2**24  # values that are resized at once


def decode_images(
  paths: Sequence[Path],
  image_size: int,
  cache: Path | None = None,
  channels: int | None = None,
  stored_bits: int | None = None,
) -> tuple[np.ndarray, int]:
  """Decodes files to 16-bit images of one size.

  Grey, RGB, RGBA (alpha dropped), palette and CMYK files are read, turned as EXIF says; 16-bit ones
  keep their precision, and gamma and colour profiles are left alone. White of all 16-bit files is
  2^b - 1, b being the least of 8, 10, 12, 14 and 16 that no value exceeds, nor what a TIFF file
  says to hold; see `tell_range`. Of several pages or frames the first is read, with a warning.
  Images of another size are resized in float32, bilinear and antialiased.

  Args:
    paths: N files.
    image_size: side of the square images, in pixels.
    cache: a folder in which the result is kept, read-only; None decodes every time.
    channels: 1 or 3; None takes 1 if every file is grey, else 3.
    stored_bits: b of all 16-bit files, whatever their values; None looks at these.

  Returns:
    uint16 [N, image_size, image_size, channels], and the bits of the files: 8 to 16.
  """
  headers = dict(zip(paths, map(look, paths), strict=True))  # every header, before any pixel
  depth = channels or (1 if all(header.grey for header in headers.values()) else 3)
  deep = [path for path in paths if headers[path].bits > 8]
  largest = max((header.width * header.height for header in headers.values()), default=1)
  threads = max(1, min(os.cpu_count() or 1, 2**26 // largest))

  def tops(path: Path) -> np.ndarray:
    return np.array([image_file.read(path, depth).max(), headers[path].largest])

  def decode() -> Decoded:
    top = max((int(each.max()) for each in in_order(tops, deep, threads)), default=0)
    bits = (stored_bits or bits_of(top)) if deep else 8
    if deep and top >= 2**bits:
      expected = f"16-bit files with {bits} bits of image"
      raise InputError(expected, f"{top} in one of {len(deep)}", "raise --stored_bits")

    def read(path: Path) -> np.ndarray:
      deep, inverted = headers[path].bits > 8, headers[path].inverted
      return resize(image_file.read(path, depth, bits if deep else 16, inverted), image_size)

    shape = (len(paths), image_size, image_size, depth)
    return shape, in_order(read, paths, threads), lambda: bits

  made_of = [_CACHE_VERSION, image_size, channels, stored_bits]
  pixels, bits = cached(cache, paths, made_of, decode)
  if several := [path for path in paths if headers[path].frames]:
    text = "%d of %d files hold several pages or frames (%s first): the first of each is read"
    logging.warning(text, len(several), len(paths), several[0])
  rows = [row for row, path in enumerate(paths) if headers[path].bits > 8 and not stored_bits]
  tell_range(pixels, bits, rows, [str(paths[row]) for row in rows])
  return pixels, bits


def bits_of(top: int) -> int:
  """The bits of values up to `top` that 16-bit files hold: 8, 10, 12, 14 or 16."""
  return next(bits for bits in _BITS if top < 2**bits or bits == 16)


def tell_range(pixels: np.ndarray, bits: int, rows: Sequence[int], names: Sequence[str]) -> None:
  """Says how 16-bit images, at these rows, were read, and which of them hardly use the range."""
  if not names:
    return
  if bits < 16:
    text = "16-bit values up to %d at most: read as %d bits, %d is white"
    logging.warning(text, 2**bits - 1, bits, 2**bits - 1)
  narrow = []
  for row, name in zip(rows, names, strict=True):
    some = pixels[row].reshape(-1)
    low, high = np.quantile(some[:: max(some.size >> 14, 1)], [0.001, 0.999])
    if high - low < 65535 / 4:
      narrow.append(name)
  if narrow:
    text = (
      "%d of %d 16-bit images (%s first) use less than a quarter of %d bits, and are as dark or "
      "flat as that makes them: where files differ in their bits, scale all to 16 bits"
    )
    logging.warning(text, len(narrow), len(names), narrow[0], bits)


def resize(pixels: np.ndarray, image_size: int, depth: int | None = None) -> np.ndarray:
  """Resizes images or volumes, linearly and antialiased, to 16 bits; 8-bit v becomes 257 v.

  Args:
    pixels: uint8 or uint16 [..., (D,) H, W, C].
    image_size: side in the plane.
    depth: slices; None leaves the axis before H alone.
  """
  planes = pixels.reshape(-1, *pixels.shape[-3:])
  size = (len(planes), image_size, image_size, pixels.shape[-1])
  if planes.shape == size:
    resized = planes if planes.dtype == np.uint16 else planes * np.uint16(257)
  else:
    resized = np.empty(size, np.uint16)
    step = max(1, _BLOCK // max(planes[:1].size, 1))
    for start in range(0, len(planes), step):  # float32 copies of the whole would not fit
      rows = slice(start, start + step)
      resized[rows] = resized_planes(planes[rows], image_size, image_size)
  resized = resized.reshape(*pixels.shape[:-3], *size[1:])
  if depth is None or resized.shape[-4] == depth:
    return resized
  table = resized.reshape(-1, resized.shape[-4], size[1] * size[2] * size[3], 1)
  deep = np.stack([resized_planes(rows[None], depth, rows.shape[1])[0] for rows in table])
  return deep.reshape(*pixels.shape[:-4], depth, *size[1:])


def resized_planes(planes: np.ndarray, height: int, width: int) -> np.ndarray:
  """[B, H, W, C] to uint16 [B, height, width, C], in float32, bilinear and antialiased."""
  factor = 257 if planes.dtype == np.uint8 else 1
  with tf.device("CPU"):
    if planes[:1].size > _BLOCK:
      planes = _shortened(planes, height, width)
    values = tf.image.resize(planes, [height, width], antialias=True) * factor
    resized: np.ndarray = tf.cast(tf.clip_by_value(tf.round(values), 0, 65535), tf.uint16).numpy()
  return resized


def _shortened(planes: np.ndarray, height: int, width: int) -> np.ndarray:
  """Large planes resized along one side, strip by strip, so that less memory is needed: float32."""
  along = 2 if planes.shape[2] >= planes.shape[1] and width < planes.shape[2] else 1
  across = 3 - along
  strips, number = [], min(-(-planes[:1].size // _BLOCK), planes.shape[across])
  for strip in np.array_split(planes, number, axis=across):
    size = [height, strip.shape[2]] if along == 1 else [strip.shape[1], width]
    strips.append(tf.image.resize(strip, size, antialias=True).numpy())
  return np.concatenate(strips, axis=across)
