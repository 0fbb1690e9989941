"""Image files of many kinds to one array: checked, decoded in parallel, resized."""

import contextlib
import io
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tifffile
from absl import logging
from PIL import ExifTags, Image, UnidentifiedImageError

from hfc_tf.data.cache import Decoded, cached, in_order
from hfc_tf.data.dataset import widened
from hfc_tf.data.files import readable
from hfc_tf.errors import InputError

MAX_PIXELS = 2**25
_LARGE = 2**23  # pixels, from which on images are read one after the other: memory
_ONE = threading.Lock()
# Named, because Pillow also opens formats (EPS) that start another program.
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "GIF", "WEBP", "PPM")
_GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L")
_KIND = f"a readable image file ({' '.join(_FORMATS)})"
_CACHE_VERSION = 3


class Header(NamedTuple):
  """What the header of an image file tells: its mode (Pillow's), size, bits a value, pictures."""

  mode: str
  width: int
  height: int
  grey: bool
  bits: int
  frames: int = 1


def decode_images(
  paths: Sequence[Path],
  image_size: int,
  cache: Path | None = None,
  channels: int | None = None,
  stored_bits: int | None = None,
) -> tuple[np.ndarray, int]:
  """Decodes files to 16-bit images of one size.

  Grey, RGB, RGBA (alpha dropped), palette and CMYK files are read, upright as their EXIF says, and
  of several pictures the first; 16-bit ones keep their precision. Where no value of all 16-bit
  files is above 4095, they are 12-bit: 4095 is white. Images of another size are resized in
  float32, bilinear and antialiased.

  Args:
    paths: N files.
    image_size: side of the square images, in pixels.
    cache: a folder in which the result is kept, read-only; None decodes every time.
    channels: 1 or 3; None takes 1 if every file is grey, else 3.
    stored_bits: of 16-bit files, the bits that hold the image, from the lowest; None looks.

  Returns:
    uint16 [N, image_size, image_size, channels], and the bits of the files: 8, 12 or 16.
  """

  def decode() -> Decoded:
    headers = [look(path) for path in paths]  # every header, before any pixel
    sizes = {path: h.width * h.height for path, h in zip(paths, headers, strict=True)}
    depth = channels or (1 if all(header.grey for header in headers) else 3)

    if several := [path for path, header in zip(paths, headers, strict=True) if header.frames > 1]:
      logging.warning("%d of %d files hold several pictures, of which the first is read: %s",
                      len(several), len(paths), several[0])  # fmt: skip

    def whole(path: Path) -> np.ndarray:
      with readable(_KIND, path):
        return _read(path, depth)

    deep = [path for path, header in zip(paths, headers, strict=True) if header.bits > 8]
    bits = (stored_bits or _stored_bits(in_order(whole, deep), deep)) if deep else 8
    narrow = set(deep) if bits < 16 else set()

    def read(path: Path) -> np.ndarray:
      with _ONE if sizes[path] > _LARGE else contextlib.nullcontext():
        return resized(path)

    def resized(path: Path) -> np.ndarray:
      pixels = whole(path)
      if path in narrow and pixels.max() >= 2**bits:
        expected = f"16-bit files with {bits} bits of image"
        raise InputError(expected, f"{pixels.max()} in {path}", "raise --stored_bits")
      return resize(widened(pixels, bits) if path in narrow else pixels, image_size)

    shape = (len(paths), image_size, image_size, depth)
    return shape, in_order(read, paths), lambda: bits

  made_of = [_CACHE_VERSION, image_size, channels, stored_bits]
  return cached(cache, paths, made_of, decode)


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


def _stored_bits(wide: Iterable[np.ndarray], paths: Sequence[Path]) -> int:
  """Of files that hold 16 bits: 12 where no value of any needs more, else 16.

  Warns where the values leave a doubt: they may be 10- or 14-bit, or of files that differ.
  """
  tops = [int(values.max()) for values in wide]
  top, bits = max(tops), 12 if max(tops) <= 4095 else 16
  if 0 < top <= 1023 or 4095 < top <= 16383:
    logging.warning(
      "16-bit files of which none exceeds %d (%s): read as %d-bit, %d is white; --stored_bits "
      "says otherwise", top, paths[tops.index(top)], bits, 2**bits - 1,
    )  # fmt: skip
  dark = [path for path, each in zip(paths, tops, strict=True) if each <= 4095]
  if bits == 16 and dark:
    logging.warning(
      "%d of %d 16-bit files do not exceed 4095, such as %s: read as 16-bit like the others; if "
      "they are 12-bit, keep them apart", len(dark), len(paths), dark[0],
    )  # fmt: skip
  return bits


def look(path: Path) -> Header:
  """Reads the header of an image file alone, and refuses what is too large."""
  with readable(_KIND, path):
    with path.open("rb") as file:
      deep = _is_deep_png(file.read(25))
    try:
      with Image.open(path, formats=_FORMATS) as image:
        width, height, mode = image.width, image.height, image.mode
        frames = int(getattr(image, "n_frames", 1))
    except Image.DecompressionBombError:
      width, height, mode, frames = MAX_PIXELS + 1, 1, "", 1
    except UnidentifiedImageError:
      raise ValueError("no image") from None
  if width * height > MAX_PIXELS:
    expected = f"images of at most 2**25 ({MAX_PIXELS}) pixels"
    raise InputError(expected, f"{path} with more", "scale it down")
  if mode == "F":
    raise InputError("8- or 16-bit integer images", f"{path} in floating point", "convert it")
  bits = 16 if deep or mode[:1] == "I" else 8
  return Header(mode, width, height, mode in _GREY_MODES, bits, frames)


def _is_deep_png(data: bytes) -> bool:
  return data[:8] == b"\x89PNG\r\n\x1a\n" and data[24:25] == b"\x10"


def _read(path: Path, channels: int) -> np.ndarray:
  """Reads one file, its first picture, upright: uint16 [H, W, channels]."""
  data = path.read_bytes()
  image: Any
  with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
    if image.format == "TIFF" and _is_deep_colour(image):
      return _as_channels(_upright(_tiff(data), _orientation(image)), channels)
    image.load()  # before EXIF is asked for, which would hide that it fails
    turned = _orientation(image)  # none any more in a TIFF, which Pillow turns by itself
    if _is_deep_png(data):  # Pillow would cut 16-bit colour to 8 bits
      wide: np.ndarray = tf.io.decode_png(data, channels=channels, dtype=tf.uint16).numpy()
      return _upright(wide, turned)
    inverted = image.format == "TIFF" and image.tag_v2.get(262) == 0  # white is zero
    if image.mode.startswith("I"):
      values = np.asarray(image)  # [H, W]
      if values.min() < 0 or values.max() > 65535:
        raise ValueError("values outside 16 bits")
      values = 65535 - values if inverted else values
      deep = np.repeat(values.astype(np.uint16)[..., None], channels, axis=-1)
      return _upright(deep, turned)
    values = np.asarray(image.convert("L" if channels == 1 else "RGB")).astype(np.uint16)
    values *= np.uint16(257)
    return _upright(values.reshape(*values.shape[:2], channels), turned)


def _orientation(image: Any) -> int:
  """As EXIF has it, 1 to 8; 1 where EXIF is damaged."""
  with contextlib.suppress(Exception):
    return int(image.getexif().get(ExifTags.Base.Orientation, 1))
  return 1


def _is_deep_colour(image: Any) -> bool:
  """Whether a TIFF has 16-bit colour, which Pillow would cut to 8 bits."""
  bits = image.tag_v2.get(258, (1,))
  return len(bits) > 1 and max(bits) > 8


def _tiff(data: bytes) -> np.ndarray:
  """The first page of a 16-bit colour TIFF, uint16 [H, W, 3]."""
  with tifffile.TiffFile(io.BytesIO(data)) as file:
    page = file.pages[0]
    values: np.ndarray = page.asarray()
    if page.planarconfig == 2:  # a plane a channel
      values = np.moveaxis(values, 0, -1)
  if values.ndim != 3 or values.shape[-1] < 3 or values.dtype != np.uint16:
    raise ValueError(f"{values.dtype} {list(values.shape)}")
  return values[..., :3]


def _as_channels(values: np.ndarray, channels: int) -> np.ndarray:
  """Colour [H, W, 3] as it is, or its luminance (ITU-R BT.601)."""
  if channels == 3:
    return values
  grey: np.ndarray = np.rint(values @ np.array([0.299, 0.587, 0.114]))[..., None]
  return grey.astype(np.uint16)


def _upright(values: np.ndarray, orientation: int) -> np.ndarray:
  """Turns [H, W, C] as EXIF's orientation 1 to 8 says."""
  turned: np.ndarray = values.swapaxes(0, 1) if orientation >= 5 else values
  if orientation in (3, 4, 7, 8):
    turned = turned[::-1]
  if orientation in (2, 3, 6, 7):
    turned = turned[:, ::-1]
  return turned
