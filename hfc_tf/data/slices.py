"""DICOM slices and frames, read through pydicom and never trusted."""

import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hfc_tf.data import frames
from hfc_tf.data.files import package, readable
from hfc_tf.data.volume import check_finite, check_size
from hfc_tf.errors import InputError

_SLICE = "a readable DICOM slice"
_MAX_BYTES = 2**29  # of one file
_MAX_FRAMES = 2**14
_NO_SCANS = ("SEG", "RTDOSE")  # what others drew or computed on a scan
_DEFLATED = "1.2.840.10008.1.2.1.99"
_EXTRA = "install the extra: pip install 'hfc_tf[dicom]'"
_HEADER = [
  "BitsAllocated", "BitsStored", "Columns", "ImageOrientationPatient", "ImagePositionPatient",
  "ImageType", "InstanceNumber", "Modality", "NumberOfFrames", "PatientID",
  "PhotometricInterpretation", "Rows", "SamplesPerPixel", "SeriesInstanceUID", "StudyInstanceUID",
  *frames.GROUPS,
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
  with readable(_SLICE, path):
    reason = "a DICOM index" if header is None else _no_slice(header)
    if not reason:
      return _slices(header, path)
  skipped[reason] += 1
  return []


def pixels(ordered: Sequence[Slice]) -> np.ndarray:
  """The voxels of slices of one shape, in order: float32 [n, H, W], NaN for padding.

  A stored value becomes what the Modality LUT or slope and intercept say (DICOM PS3.3, C.11.1).
  """
  values = np.empty((len(ordered), *ordered[0].shape), np.float32)
  files: dict[Path, dict[int, int]] = {}
  for index, item in enumerate(ordered):
    files.setdefault(item.path, {})[item.frame] = index
  for path, indices in files.items():
    dataset = _dataset(path, _PIXELS)
    packed = dataset.file_meta.TransferSyntaxUID.is_encapsulated
    remedy = "replace or remove the file" + (f"; if it is intact, {_EXTRA}" if packed else "")
    with readable(_SLICE, path, remedy), np.errstate(over="ignore", invalid="ignore"):
      for frame, image in enumerate(frames.units(dataset)):
        if image.shape != values.shape[1:]:
          raise ValueError(f"{list(image.shape)} pixels, not {list(values.shape[1:])}")
        values[indices[frame]] = image
        check_finite(values[indices[frame]], path)
      if frame + 1 < len(indices):
        raise EOFError(f"{frame + 1} of {len(indices)} frames")
  return values


def _dataset(path: Path, tags: Sequence[str]) -> Any:
  """Reads some elements, checked: no file that is large or that nothing decodes is parsed."""
  pydicom, filereader = package("pydicom", "volumes"), package("pydicom.filereader", "volumes")
  with readable(_SLICE, path):
    if path.stat().st_size > _MAX_BYTES:
      raise InputError(f"slices of at most {_MAX_BYTES >> 20} MiB", f"more in {path}", "convert it")
    meta = filereader.read_file_meta_info(path)
    syntax = getattr(meta, "TransferSyntaxUID", None)
    encoding = f"{getattr(syntax, 'name', 'no transfer syntax')} in {path}"
    try:
      decoder = pydicom.pixels.get_decoder(syntax)
    except (NotImplementedError, TypeError, ValueError):
      decoder = None
    if decoder is None:
      remedy = "decompress it, e.g. with gdcmconv --raw"
      raise InputError("a DICOM file that pydicom decodes", encoding, remedy)
    if not decoder.is_available:
      raise InputError("a DICOM file that can be decompressed", encoding, _EXTRA)
    if syntax == _DEFLATED:
      _check_deflated(path, int(meta.FileMetaInformationGroupLength))
    dataset = pydicom.dcmread(path, stop_before_pixels="PixelData" not in tags, specific_tags=tags)
    for name in _HEADER:
      getattr(dataset, name, None)  # converted here, where a failure is caught
    return dataset


def _check_deflated(path: Path, length: int) -> None:
  """Refuses what unpacks, behind a file's first group of elements, to more than it may hold."""
  unpacked, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
  with path.open("rb") as file:
    file.seek(144 + length)
    while data := unpacked.unconsumed_tail or file.read(2**16):
      size += len(unpacked.decompress(data, 2**20))
      if size > _MAX_BYTES // 4:
        raise ValueError(f"it unpacks to more than {_MAX_BYTES >> 22} MiB")


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
  count = int(getattr(header, "NumberOfFrames", 1) or 1)
  if count > _MAX_FRAMES:
    raise InputError(f"at most {_MAX_FRAMES} frames in a file", f"{count} in {path}", "convert it")
  shape = int(header.Rows), int(header.Columns)
  check_size((count, *shape), path)
  patient, study, series = (
    str(getattr(header, name, None) or "").strip()
    for name in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")
  )
  number = getattr(header, "InstanceNumber", None)
  several = count > 1  # then a file is a volume, and only its frames have positions
  planes = []
  for frame in range(count):
    axes = frames.element(header, frame, "PlaneOrientationSequence", "ImageOrientationPatient")
    corner = frames.element(header, frame, "PlanePositionSequence", "ImagePositionPatient")
    if several and frames.GROUPS[1] not in header:
      corner = None
    planes.append(Slice(
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
  return planes
