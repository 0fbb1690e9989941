"""The frames of a DICOM file: from stored values to the scanner's units."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from hfc_tf.data.files import package

GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_MAX_GROWTH = 4  # what compressed frames may take, over what they unpack to
_RLE = "1.2.840.10008.1.2.5"


def units(dataset: Any) -> Iterator[np.ndarray]:
  """The frames of a file in order, float64 [H, W] each, NaN for padding.

  A stored value becomes what the Modality LUT or slope and intercept say (DICOM PS3.3, C.11.1).
  Whatever pydicom and NumPy raise on damaged files is raised.
  """
  if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
    voxels = dataset.Rows * dataset.Columns * int(getattr(dataset, "NumberOfFrames", 1) or 1)
    most = _MAX_GROWTH * voxels * dataset.BitsAllocated // 8 + 2**20
    if len(dataset.PixelData) > most:
      raise ValueError(f"{len(dataset.PixelData)} bytes of compressed pixels, at most {most}")
  options = {"correct_unused_bits": False} if _is_bare(dataset) else {}
  stored = package("pydicom.pixels", "volumes").pixel_array(dataset, **options)
  for frame, values in enumerate(stored.reshape(-1, *stored.shape[-2:])):
    yield _units(dataset, values, frame)


def element(dataset: Any, frame: int, sequence: str, name: str) -> Any:
  """An element of one frame: its group's, that of all frames, or the file's; None without any."""
  shared, each = (getattr(dataset, group, None) or [] for group in GROUPS)
  for group in (*each[frame : frame + 1], *shared[:1]):
    for item in (getattr(group, sequence, None) or [])[:1]:
      if getattr(item, name, None) not in (None, ""):
        return getattr(item, name)
  return getattr(dataset, name, None)


def _is_bare(dataset: Any) -> bool:
  """Whether all the bits that are allocated to a pixel are stored, those beside it included."""
  syntax = dataset.file_meta.TransferSyntaxUID
  return int(dataset.BitsAllocated) >= 8 and (not syntax.is_encapsulated or syntax == _RLE)


def _units(dataset: Any, stored: np.ndarray, frame: int) -> np.ndarray:
  pixels = stored
  if _is_bare(dataset):
    allocated, bits = 8 * stored.itemsize, int(dataset.BitsStored)
    high = getattr(dataset, "HighBit", None)
    above = allocated - 1 - (bits - 1 if high is None else int(high))
    if not 0 <= above <= allocated - bits:
      raise ValueError(f"bits {bits}, high bit {high} of {allocated}")
    pixels = (stored << above) >> (allocated - bits)
  values = _rescaled(dataset, pixels, frame)
  padding = _padding(dataset, pixels) | _padding(dataset, stored)
  if dataset.PhotometricInterpretation != "MONOCHROME1":
    padding &= values != 0  # zero is dark by itself, and no other format tells it from tissue
  values[padding] = np.nan
  return values


def _padding(dataset: Any, stored: np.ndarray) -> np.ndarray:
  """Where stored values are padding, bool [H, W]; its tags may be of the other signedness."""
  first = getattr(dataset, "PixelPaddingValue", None)
  last = getattr(dataset, "PixelPaddingRangeLimit", None)
  if first in (None, ""):
    return np.zeros(stored.shape, bool)
  ends = [first, first if last in (None, "") else last]
  low, high = sorted(np.array(ends, np.int64).astype(stored.dtype).tolist())
  padding: np.ndarray = (stored >= low) & (stored <= high)
  return padding


def _rescaled(dataset: Any, stored: np.ndarray, frame: int) -> np.ndarray:
  """The stored values in float64 by the Modality LUT, or by slope and intercept."""
  if getattr(dataset, "ModalityLUTSequence", None):
    table = package("pydicom.pixels", "volumes").apply_modality_lut
    return np.array(table(stored, dataset), np.float64)
  numbers = []
  for name, usual in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0)):
    value = element(dataset, frame, "PixelValueTransformationSequence", name)
    numbers.append(usual if value in (None, "") else float(value))
  if numbers[0] == 0 or not np.isfinite(numbers).all():
    raise ValueError(f"RescaleSlope is {numbers[0]:g}, RescaleIntercept {numbers[1]:g}")
  return stored * numbers[0] + numbers[1]
