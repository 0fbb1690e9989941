"""DICOM slices and frames, read through pydicom and never trusted."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hfc_tf.data.files import package, readable
from hfc_tf.data.volume import check_finite, check_size
from hfc_tf.errors import InputError

_SLICE = "a readable DICOM slice"
_MAX_BYTES = 2**29  # of one file
_MAX_FRAMES = 2**14
_NO_SCANS = ("SEG", "RTDOSE")  # what others drew or computed on a scan
_DEFLATED = "1.2.840.10008.1.2.1.99"  # the whole file may unpack to anything
_EXTRA = "install the extra: pip install 'hfc_tf[dicom]'"
_GROUPS = ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"]
_HEADER = [
  "BitsAllocated", "BitsStored", "Columns", "ImageOrientationPatient", "ImagePositionPatient",
  "ImageType", "InstanceNumber", "Modality", "NumberOfFrames", "PatientID",
  "PhotometricInterpretation", "Rows", "SamplesPerPixel", "SeriesInstanceUID", "StudyInstanceUID",
  *_GROUPS,
]  # fmt: skip
_PIXELS = [
  *_HEADER, "HighBit", "ModalityLUTSequence", "PixelData", "PixelPaddingRangeLimit",
  "PixelPaddingValue", "PixelRepresentation", "RescaleIntercept", "RescaleSlope",
]  # fmt: skip


class Slice(NamedTuple):
  """What a header tells of one slice: a file, or a frame of one.

  `series` is equal for slices of one volume, `axes` are the directions of a row and of a column
  [6] and `corner` where the first pixel lies [3], in mm to the patient's left, back and head.
  """

  path: Path
  frame: int
  series: tuple[str, ...]
  shape: tuple[int, int]
  axes: tuple[float, ...]
  corner: tuple[float, ...]
  number: float | None
  modality: str
  inverted: bool
  bits: int
  patient: str
  study: str


def is_dicom(path: Path) -> bool:
  """Whether a file has the marker DICM or is named .dcm."""
  if path.suffix.lower() == ".dcm":
    return True
  try:
    with path.open("rb") as file:
      return file.read(132)[128:] == b"DICM"
  except OSError:
    return True  # its reader will say what is wrong


def slices(path: Path, skipped: Counter[str]) -> list[Slice]:
  """The slices in a DICOM file; none where it holds something else, which `skipped` counts.

  Raises:
    InputError: the file is damaged or too large, or nothing decompresses it.
  """
  header = None if path.name == "DICOMDIR" else _dataset(path, _HEADER)
  reason = "a DICOM index" if header is None else _no_slice(header)
  if reason:
    skipped[reason] += 1
    return []
  with readable(_SLICE, path):
    return _slices(header, path)


def pixels(frames: Sequence[Slice]) -> np.ndarray:
  """The voxels of slices of one shape, in order: float32 [n, H, W], NaN for padding.

  A stored value becomes what the Modality LUT or slope and intercept say (DICOM PS3.3, C.11.1).
  """
  values = np.empty((len(frames), *frames[0].shape), np.float32)
  dataset, path = None, None
  for index, item in enumerate(frames):
    if item.path != path:
      dataset, path = _dataset(item.path, _PIXELS), item.path
    remedy = f"replace or remove the file; if it is intact, {_EXTRA}"  # or decoders that know more
    with readable(_SLICE, path, remedy), np.errstate(over="ignore", invalid="ignore"):
      values[index] = _frame(dataset, item)
      check_finite(values[index], item.path)
  return values


def _dataset(path: Path, tags: Sequence[str]) -> Any:
  """Reads some elements, checked: no file that is large or that nothing decodes is parsed."""
  pydicom, filereader = package("pydicom", "volumes"), package("pydicom.filereader", "volumes")
  with readable(_SLICE, path):
    if path.stat().st_size > _MAX_BYTES:
      raise InputError(f"slices of at most {_MAX_BYTES >> 20} MiB", f"more in {path}", "convert it")
    syntax = getattr(filereader.read_file_meta_info(path), "TransferSyntaxUID", None)
    found = f"{getattr(syntax, 'name', 'no transfer syntax')} in {path}"
    try:
      decoder = None if syntax == _DEFLATED else pydicom.pixels.get_decoder(syntax)
    except (NotImplementedError, TypeError, ValueError):
      decoder = None
    if decoder is None:
      remedy = "decompress it, e.g. with gdcmconv --raw"
      raise InputError("a DICOM file that pydicom decodes", found, remedy)
    if not decoder.is_available:
      raise InputError("a DICOM file that can be decompressed", found, _EXTRA)
    dataset = pydicom.dcmread(path, stop_before_pixels="PixelData" not in tags, specific_tags=tags)
    for name in _HEADER:
      getattr(dataset, name, None)  # converted here, where a failure is caught
    return dataset


def _no_slice(header: Any) -> str:
  """Why an intact file is no slice of a volume, "" if it is one."""
  kind = str(getattr(header, "PhotometricInterpretation", None) or "")
  storage = str(getattr(header.file_meta.get("MediaStorageSOPClassUID"), "name", ""))
  if not (kind or hasattr(header, "Rows") or "Image" in storage):  # what is named so is damaged
    return "a DICOM file without an image"
  if kind and not kind.startswith("MONOCHROME"):
    return "a DICOM image in colour"
  if getattr(header, "Modality", None) in _NO_SCANS:
    return f"DICOM of modality {header.Modality}"
  return "a DICOM localizer" if "LOCALIZER" in (getattr(header, "ImageType", None) or ()) else ""


def _slices(header: Any, path: Path) -> list[Slice]:
  """The one slice of a file or its frames."""
  frames = int(getattr(header, "NumberOfFrames", 1) or 1)
  if frames > _MAX_FRAMES:
    raise InputError(f"at most {_MAX_FRAMES} frames in a file", f"{frames} in {path}", "convert it")
  shape = int(header.Rows), int(header.Columns)
  check_size((frames, *shape), path)
  patient, study, series = (
    str(getattr(header, name, None) or "").strip()
    for name in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")
  )
  number = getattr(header, "InstanceNumber", None)
  several = frames > 1  # then a file is a volume, and only its frames have positions
  found = []
  for frame in range(frames):
    groups = _groups(header, frame)
    axes = _element(groups, "PlaneOrientationSequence", "ImageOrientationPatient")
    corner = _element(groups, "PlanePositionSequence", "ImagePositionPatient")
    axes = axes or getattr(header, "ImageOrientationPatient", None)
    corner = corner or (None if several else getattr(header, "ImagePositionPatient", None))
    found.append(Slice(
      path=path,
      frame=frame,
      series=(patient, study, series, str(path) if several else ""),
      shape=shape,
      axes=tuple(map(float, axes or ())),
      corner=tuple(map(float, corner or ())),
      number=frame if several else (None if number in (None, "") else float(number)),
      modality=str(getattr(header, "Modality", None) or "").strip(),
      inverted=header.PhotometricInterpretation == "MONOCHROME1",
      bits=int(getattr(header, "BitsStored", None) or 16),
      patient=patient,
      study=study,
    ))  # fmt: skip
  return found


def _frame(dataset: Any, item: Slice) -> np.ndarray:
  """[H, W] of one frame in the scanner's units, NaN for padding."""
  pixels = package("pydicom.pixels", "volumes")
  packed = pixels.get_decoder(dataset.file_meta.TransferSyntaxUID).is_encapsulated
  raw = pixels.pixel_array(
    dataset, index=item.frame, **({} if packed else {"correct_unused_bits": False})
  )
  if raw.shape != item.shape:
    raise ValueError(f"{list(raw.shape)} pixels, not {list(item.shape)}")
  padding = _padding(dataset, raw)
  allocated, bits = int(dataset.BitsAllocated), int(dataset.BitsStored)
  if not packed and 8 <= allocated == 8 * raw.itemsize:
    high = getattr(dataset, "HighBit", None)  # bits above it and below the lowest are no pixel's
    above = allocated - 1 - (bits - 1 if high is None else int(high))
    if not 0 <= above <= allocated - bits:
      raise ValueError(f"bits {bits}, high bit {high} of {allocated}")
    raw = (raw << above) >> (allocated - bits)
  values = _rescaled(dataset, raw, item.frame)
  if padding is not None:
    # Zero is dark by itself, and no other file format would tell it from tissue.
    values[padding if item.inverted else padding & (values != 0)] = np.nan
  return values


def _padding(dataset: Any, raw: np.ndarray) -> np.ndarray | None:
  """Where stored values are padding, bool [H, W]; its tags may be of the other signedness."""
  first = getattr(dataset, "PixelPaddingValue", None)
  last = getattr(dataset, "PixelPaddingRangeLimit", None)
  if first in (None, "") or raw.dtype.kind not in "iu":
    return None
  ends = [first, first if last in (None, "") else last]
  low, high = sorted(np.array(ends, np.int64).astype(raw.dtype).tolist())
  padding: np.ndarray = (raw >= low) & (raw <= high)
  return padding


def _rescaled(dataset: Any, stored: np.ndarray, frame: int) -> np.ndarray:
  """The stored values in float64 by the Modality LUT, or by slope and intercept."""
  if getattr(dataset, "ModalityLUTSequence", None):
    table = package("pydicom.pixels", "volumes").apply_modality_lut
    return np.array(table(stored, dataset), np.float64)
  groups, numbers = _groups(dataset, frame), []
  for name, usual in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0)):
    value = _element(groups, "PixelValueTransformationSequence", name)
    value = getattr(dataset, name, None) if value is None else value
    numbers.append(usual if value in (None, "") else float(value))
  if numbers[0] == 0:
    raise ValueError("its RescaleSlope is 0")
  return stored * numbers[0] + numbers[1]


def _groups(header: Any, frame: int) -> list[Any]:
  """The functional groups of a frame, its own before those of all."""
  shared, each = (getattr(header, name, None) or [] for name in _GROUPS)
  return [*each[frame : frame + 1], *shared[:1]]


def _element(groups: Sequence[Any], sequence: str, name: str) -> Any:
  """An element in a sequence of a frame's functional groups, None if there is none."""
  for group in groups:
    for item in (getattr(group, sequence, None) or [])[:1]:
      if getattr(item, name, None) not in (None, ""):
        return getattr(item, name)
  return None
