"""One image file: its header, checked, and its pixels as they are seen."""

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from hfc_tf.data.dataset import LUMINANCE, widened
from hfc_tf.data.files import package, readable
from hfc_tf.errors import InputError

MAX_PIXELS = 2**27
# Named, because Pillow also opens formats (EPS) that start another program.
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "GIF", "WEBP", "PPM")
_GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L")
_KIND = f"a readable image file ({' '.join(_FORMATS)})"
_ORIENTATION = 274
# Of TIFF files (6.0, section 8): tag and what stands for it where it is missing.
_TAGS = {"bits": (258, 8), "photometric": (262, 1), "orientation": (_ORIENTATION, 1),
         "largest": (281, 0), "alpha": (338, 0), "format": (339, 1)}  # fmt: skip


class Header(NamedTuple):
  """What the header of an image file tells.

  `mode` is Pillow's, `bits` those of a stored value, 8 or 16. `frames`: whether there are several.
  `largest`: the largest value it says to hold, if any. `inverted`: whether 0 of 16 bits is white.
  """

  mode: str
  width: int
  height: int
  grey: bool
  bits: int
  frames: bool = False
  largest: int = 0
  inverted: bool = False


def look(path: Path) -> Header:
  """Reads the header of an image file alone, and refuses what is too large or no plain numbers."""
  with readable(_KIND, path):
    with path.open("rb") as file:
      deep = _is_deep_png(file.read(25))
    try:
      with Image.open(path, formats=_FORMATS) as image:
        width, height, mode = image.width, image.height, image.mode
        frames = bool(getattr(image, "is_animated", False))
        scaled = image.format == "PPM" and mode == "I"  # by Pillow, from what the file says
        tags = _tags(image)
    except Image.DecompressionBombError:
      raise _too_large(path) from None
    except UnidentifiedImageError:
      raise ValueError("no image, or one of a kind that is not read") from None
    stored, largest = max(tags["bits"]), 65535 if scaled else max(tags["largest"])
  if width * height > MAX_PIXELS:
    raise _too_large(path)
  if mode == "F":
    raise InputError("8- or 16-bit integer images", f"{path} in floating point", "convert it")
  grey, deep = mode in _GREY_MODES, deep or mode[:1] == "I" or stored > 8
  signed, premultiplied = 2 in tags["format"] and not deep, deep and 1 in tags["alpha"]
  if signed or premultiplied or (deep and mode == "CMYK"):
    expected = "images of unsigned numbers, 16-bit ones grey or RGB and not times alpha"
    raise InputError(expected, f"another kind in {path}", "convert it")
  if 8 < stored < 16:
    largest = max(largest, 2**stored - 1)
  largest = largest if largest < 2**16 else 0
  inverted = deep and tags["photometric"] == [0]
  return Header(mode, width, height, grey, 16 if deep else 8, frames, largest, inverted)


def read(path: Path, channels: int, bits: int = 16, inverted: bool = False) -> np.ndarray:
  """Reads one file, turned as its EXIF data say.

  Args:
    path: the file.
    channels: 1 or 3.
    bits: of values in 16 bits, which are widened to these.
    inverted: whether 0 of these is white.

  Returns:
    uint8 or uint16 [H, W, channels].
  """
  with readable(_KIND, path):
    data = path.read_bytes()
    if _is_deep_png(data):
      orientation = _opened(data).getexif().get(_ORIENTATION, 1) if b"eXIf" in data else 1
      # Pillow would cut 16-bit colour to 8 bits.
      decoded = tf.io.decode_png(data, dtype=tf.uint16)
      pixels = np.asarray(memoryview(decoded))  # tensor.numpy() would copy
      pixels = pixels[..., : 1 if pixels.shape[-1] < 3 else 3]
    else:
      pixels, orientation = _decoded(data, channels)
    pixels = widened(pixels, bits) if bits < 16 else pixels
    pixels = ~pixels if inverted else pixels
    return _of_channels(_turned(pixels, orientation), channels)


def _decoded(data: bytes, channels: int) -> tuple[np.ndarray, int]:
  """Pixels [H, W, C], and the orientation that is yet to be applied."""
  with _opened(data) as image:
    tags = _tags(image)
    if image.mode[:1] != "I" and max(tags["bits"]) > 8:
      return _deep_tiff(data), tags["orientation"][0]
    image.load()  # Pillow turns TIFF files itself
    try:
      orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF data: viewers show the pixels as they are
      orientation = 1
    if image.mode.startswith("I"):
      wide = np.asarray(image)[..., None]  # [H, W, 1]
      if wide.min() < 0 or wide.max() > 65535:
        raise ValueError("values outside 16 bits")
      return wide.astype(np.uint16), orientation
    mode = "L" if channels == 1 else "RGB"
    values = np.asarray(image if image.mode == mode else image.convert(mode))
    return values.reshape(*values.shape[:2], -1), orientation


def _deep_tiff(data: bytes) -> np.ndarray:
  """16-bit colour, of which Pillow would keep 8 bits: uint16 [H, W, 3]; alpha is dropped."""
  tifffile = package("tifffile", "tiff")
  with tifffile.TiffFile(io.BytesIO(data)) as file:
    page = file.pages[0]
    ends = np.add(page.dataoffsets, page.databytecounts)
    if not all(page.databytecounts) or ends.max(initial=0) > len(data):
      raise EOFError("image file is truncated")
    try:
      values = page.asarray()
    except (KeyError, ValueError) as error:
      if "imagecodecs" in str(error):
        package("imagecodecs", "tiff")  # or the line that says how to get it
      raise
  planes = np.moveaxis(values, 0, -1) if page.planarconfig == 2 else values
  return np.asarray(planes[..., :3], np.uint16)


def _turned(pixels: np.ndarray, orientation: object) -> np.ndarray:
  """Turns and mirrors [H, W, C] as the EXIF orientation 1 to 8 says (EXIF 2.3, 4.6.4)."""
  if orientation in (5, 6, 7, 8):
    pixels = pixels.swapaxes(0, 1)
  if orientation in (3, 4, 7, 8):
    pixels = pixels[::-1]
  return pixels[:, ::-1] if orientation in (2, 3, 6, 7) else pixels


def _of_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
  """[H, W, 1 or 3] with 1 or 3 channels: the luminance, or grey three times."""
  if pixels.shape[-1] == channels:
    return pixels
  if channels == 3:
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3))
  return np.rint(pixels @ LUMINANCE).astype(pixels.dtype)[..., None]


def _opened(data: bytes) -> Image.Image:
  return Image.open(io.BytesIO(data), formats=_FORMATS)


def _tags(image: Image.Image) -> dict[str, list[int]]:
  stored = image.tag_v2 if isinstance(image, TiffImageFile) else {}
  tags = {name: np.atleast_1d(stored.get(tag, usual)) for name, (tag, usual) in _TAGS.items()}
  return {name: values.astype(int).tolist() for name, values in tags.items()}


def _too_large(path: Path) -> InputError:
  expected = f"images of at most 2**27 ({MAX_PIXELS}) pixels"
  return InputError(expected, f"{path} with more", "scale it down")


def _is_deep_png(data: bytes) -> bool:
  return data[:8] == b"\x89PNG\r\n\x1a\n" and data[24:25] == b"\x10"
