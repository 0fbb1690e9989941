"""Image files of many kinds to one array: checked, decoded in parallel, resized."""

import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import logging
from PIL import Image, UnidentifiedImageError

from hfc_tf.data.cache import kept, key
from hfc_tf.errors import InputError

SUFFIXES = (".jpeg", ".jpg", ".png", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".pgm", ".ppm")
MAX_PIXELS = 2**27
# Named, because Pillow also opens formats (EPS) that start another program.
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "GIF", "WEBP", "PPM")
_GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L")
_CACHE_VERSION = 1


def decode_images(
  paths: Sequence[Path], image_size: int, cache: Path | None = None, channels: int | None = None
) -> np.ndarray:
  """Decodes files to 16-bit images of one size.

  Grey, RGB, RGBA (alpha dropped), palette and CMYK files are read; 16-bit ones keep their
  precision. Images of another size are resized in float32, bilinear and antialiased.

  Args:
    paths: the files.
    image_size: side of the square images, in pixels.
    cache: a folder in which the result is kept; None decodes every time.
    channels: 1 or 3; None takes 1 if every file is grey, else 3.

  Returns:
    uint16 [N, image_size, image_size, channels], read-only from the cache.

  Raises:
    InputError: a file is damaged, empty, no image or too large, or the cache cannot be written.
  """
  if image_size < 1:
    raise InputError("an image size of at least 1 pixel", str(image_size), "raise it")
  entry = None if cache is None else cache / _key(paths, image_size, channels)

  def decoded() -> tuple[tuple[int, ...], Iterator[np.ndarray]]:
    shape = _shape(paths, image_size, channels)
    return shape, _decoded(paths, image_size, shape[-1])

  return kept(entry, decoded)


def _shape(
  paths: Sequence[Path], image_size: int, channels: int | None
) -> tuple[int, int, int, int]:
  """Looks at every header: [N, image_size, image_size, C]."""
  with warnings.catch_warnings():
    # Between Pillow's own limit, which only warns, and ours.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    grey = [_is_grey(path) for path in paths]
  return len(paths), image_size, image_size, channels or (1 if all(grey) else 3)


def resize(pixels: np.ndarray, image_size: int) -> np.ndarray:
  """Resizes uint16 [..., H, W, C] in the plane to uint16 [..., image_size, image_size, C]."""
  *leading, height, width, channels = pixels.shape
  if height == width == image_size:
    return pixels
  planes = pixels.reshape(-1, height, width, channels)
  resized = np.empty((len(planes), image_size, image_size, channels), np.uint16)
  for start in range(0, len(planes), 256):  # float32 copies of the whole would not fit
    with tf.device("CPU"):
      resized[start : start + 256] = _resize(planes[start : start + 256], image_size)
  return resized.reshape(*leading, image_size, image_size, channels)


def _resize(images: tf.Tensor, image_size: int) -> tf.Tensor:
  values = tf.image.resize(images, [image_size, image_size], antialias=True)
  return tf.cast(tf.clip_by_value(tf.round(values), 0, 65535), tf.uint16)


def _is_grey(path: Path) -> bool:
  """Reads the header alone: is the file grey? Refuses what must not be decoded."""
  try:
    with Image.open(path, formats=_FORMATS) as image:
      pixels, mode = image.width * image.height, image.mode
  except Image.DecompressionBombError:
    pixels, mode = MAX_PIXELS + 1, ""
  except Exception as error:  # Pillow raises whatever a damaged header makes it stumble over
    raise _unreadable(path, error) from None
  if pixels > MAX_PIXELS:
    raise InputError(
      f"images of at most 2**27 ({MAX_PIXELS}) pixels", f"{path} with more", "scale it down"
    )
  if mode == "F":
    raise InputError("8- or 16-bit integer images", f"{path} in floating point", "convert it")
  return mode in _GREY_MODES


def _unreadable(path: Path, error: Exception) -> InputError:
  reason = "no image" if isinstance(error, UnidentifiedImageError) else str(error)
  if path.is_file() and not path.stat().st_size:
    reason = "zero bytes long"
  return InputError(
    f"a readable image file ({' '.join(_FORMATS)})",
    f"{path}: {reason}",
    "replace or remove the file",
  )


def _read(path: Path, channels: int) -> np.ndarray:
  """Reads one file: uint16 [H, W, channels]."""
  data = path.read_bytes()
  if data[:8] == b"\x89PNG\r\n\x1a\n" and data[24] == 16:
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


def _decoded(paths: Sequence[Path], image_size: int, channels: int) -> Iterator[np.ndarray]:
  """Yields uint16 [image_size, image_size, channels] in the order of the paths."""
  failures: dict[int, InputError] = {}

  def read(index: np.ndarray) -> np.ndarray:
    try:
      return _read(paths[int(index)], channels)
    except Exception as error:  # carried past TensorFlow, which would bury it in a traceback
      failures[int(index)] = _unreadable(paths[int(index)], error)
      return np.zeros((1, 1, channels), np.uint16)

  def load(index: tf.Tensor) -> tf.Tensor:
    image = tf.ensure_shape(
      tf.numpy_function(read, [index], tf.uint16), (None, None, channels)
    )  # [H, W, C]
    fits = tf.reduce_all(tf.equal(tf.shape(image)[:2], image_size))
    return tf.cond(fits, lambda: image, lambda: _resize(image, image_size))

  files = tf.data.Dataset.range(len(paths))
  images = files.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
  for index, image in enumerate(images.as_numpy_iterator()):
    if index in failures:
      raise failures[index]
    logging.log_every_n_seconds(logging.INFO, "decoded %d of %d images", 10, index + 1, len(paths))
    yield image


def _key(paths: Sequence[Path], image_size: int, channels: int | None) -> str:
  return key(paths, [_CACHE_VERSION, image_size, channels])
