"""Image files of many kinds to one array: checked, decoded in parallel, resized."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image, UnidentifiedImageError

from hfc_tf.data.cache import Decoded, cached, in_order
from hfc_tf.data.dataset import widened
from hfc_tf.data.files import readable
from hfc_tf.errors import InputError

MAX_PIXELS = 2**27
# Named, because Pillow also opens formats (EPS) that start another program.
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "GIF", "WEBP", "PPM")
_GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L")
_KIND = f"a readable image file ({' '.join(_FORMATS)})"
_CACHE_VERSION = 2


class Header(NamedTuple):
  """What the header of an image file tells: its mode (Pillow's), size, and bits a value."""

  mode: str
  width: int
  height: int
  grey: bool
  bits: int


def decode_images(
  paths: Sequence[Path], image_size: int, cache: Path | None = None, channels: int | None = None
) -> tuple[np.ndarray, int]:
  """Decodes files to 16-bit images of one size.

  Grey, RGB, RGBA (alpha dropped), palette and CMYK files are read; 16-bit ones keep their
  precision. Where no value of all 16-bit files is above 4095, they are 12-bit: 4095 is white.
  Images of another size are resized in float32, bilinear and antialiased.

  Args:
    paths: N files.
    image_size: side of the square images, in pixels.
    cache: a folder in which the result is kept, read-only; None decodes every time.
    channels: 1 or 3; None takes 1 if every file is grey, else 3.

  Returns:
    uint16 [N, image_size, image_size, channels], and the bits of the files: 8, 12 or 16.
  """

  def decode() -> Decoded:
    headers = [look(path) for path in paths]  # every header, before any pixel
    depth = channels or (1 if all(header.grey for header in headers) else 3)

    def whole(path: Path) -> np.ndarray:
      with readable(_KIND, path):
        return _read(path, depth)

    deep = [path for path, header in zip(paths, headers, strict=True) if header.bits > 8]
    bits = _bits(in_order(whole, deep)) if deep else 8
    narrow = set(deep) if bits == 12 else set()

    def read(path: Path) -> np.ndarray:
      pixels = whole(path)
      return resize(widened(pixels) if path in narrow else pixels, image_size)

    shape = (len(paths), image_size, image_size, depth)
    return shape, in_order(read, paths), lambda: bits

  return cached(cache, paths, [_CACHE_VERSION, image_size, channels], decode)


def resize(pixels: np.ndarray, image_size: int) -> np.ndarray:
  """Resizes uint16 [..., H, W, C] in the plane to uint16 [..., image_size, image_size, C]."""
  if pixels.shape[-3:-1] == (image_size, image_size):
    return pixels
  planes = pixels.reshape(-1, *pixels.shape[-3:])
  resized = np.empty((len(planes), image_size, image_size, pixels.shape[-1]), np.uint16)
  for start in range(0, len(planes), 256):  # float32 copies of the whole would not fit
    rows = slice(start, start + 256)
    resized[rows] = resized_planes(planes[rows], image_size, image_size)
  return resized.reshape(*pixels.shape[:-3], *resized.shape[1:])


def resized_planes(planes: np.ndarray, height: int, width: int) -> np.ndarray:
  """uint16 [B, H, W, C] to uint16 [B, height, width, C], in float32, bilinear and antialiased."""
  with tf.device("CPU"):
    values = tf.image.resize(planes, [height, width], antialias=True)
    resized: np.ndarray = tf.cast(tf.clip_by_value(tf.round(values), 0, 65535), tf.uint16).numpy()
  return resized


def _bits(wide: Iterable[np.ndarray]) -> int:
  """Of files that hold 16 bits: 12 where no value of any needs more, else 16."""
  return 12 if all(values.max() <= 4095 for values in wide) else 16


def look(path: Path) -> Header:
  """Reads the header of an image file alone, and refuses what is too large."""
  with readable(_KIND, path):
    with path.open("rb") as file:
      deep = _is_deep_png(file.read(25))
    try:
      with Image.open(path, formats=_FORMATS) as image:
        width, height, mode = image.width, image.height, image.mode
    except Image.DecompressionBombError:
      width, height, mode = MAX_PIXELS + 1, 1, ""
    except UnidentifiedImageError:
      raise ValueError("no image") from None
  if width * height > MAX_PIXELS:
    expected = f"images of at most 2**27 ({MAX_PIXELS}) pixels"
    raise InputError(expected, f"{path} with more", "scale it down")
  if mode == "F":
    raise InputError("8- or 16-bit integer images", f"{path} in floating point", "convert it")
  return Header(mode, width, height, mode in _GREY_MODES, 16 if deep or mode[:1] == "I" else 8)


def _is_deep_png(data: bytes) -> bool:
  return data[:8] == b"\x89PNG\r\n\x1a\n" and data[24:25] == b"\x10"


def _read(path: Path, channels: int) -> np.ndarray:
  """Reads one file: uint16 [H, W, channels]."""
  data = path.read_bytes()
  if _is_deep_png(data):
    # Pillow would cut 16-bit colour to 8 bits.
    image: np.ndarray = tf.io.decode_png(data, channels=channels, dtype=tf.uint16).numpy()
    return image
  with Image.open(io.BytesIO(data), formats=_FORMATS) as image_file:
    if image_file.mode.startswith("I"):
      wide = np.asarray(image_file)  # [H, W]
      if wide.min() < 0 or wide.max() > 65535:
        raise ValueError("values outside 16 bits")
      return np.repeat(wide.astype(np.uint16)[..., None], channels, axis=-1)
    values = np.asarray(image_file.convert("L" if channels == 1 else "RGB"), np.uint16)
    return values.reshape(*values.shape[:2], channels) * np.uint16(257)
