"""DICOM series, a folder of single slices each, read through pydicom and never trusted.

Uncompressed transfer syntaxes alone are read: what a file unpacks to would else be its own choice.
"""

import itertools
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hfc_tf.data.files import package, readable, visible
from hfc_tf.data.volume import Volume, check_finite, check_size
from hfc_tf.errors import InputError

_SLICE = "a readable DICOM slice"
_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
_MAX_BYTES = 2**29  # of one slice's file
_HEADER = [
  "ImageOrientationPatient", "ImagePositionPatient", "InstanceNumber", "Modality", "NumberOfFrames",
  "PatientID", "PhotometricInterpretation", "SamplesPerPixel", "SeriesInstanceUID", "Rows",
  "Columns", "BitsStored",
]  # fmt: skip
_PIXELS = [
  "BitsAllocated", "HighBit", "PixelRepresentation", "PixelData", "RescaleSlope",
  "RescaleIntercept",
]  # fmt: skip


def slices(folder: Path) -> list[Path]:
  """The DICOM files in a folder: those with the marker DICM, and all named .dcm."""
  files = [path for path in visible(folder) if path.is_file() and path.name != "DICOMDIR"]
  return [path for path in files if path.suffix.lower() == ".dcm" or _is_marked(path)]


def patient(paths: Sequence[Path]) -> str:
  """The PatientID of a series, "" where there is none."""
  return str(getattr(_slice(paths[0]), "PatientID", "") or "")


def look(paths: Sequence[Path]) -> Volume:
  """Reads the headers of one series and puts its slices in order.

  They go by their positions along the normal of the first one, which for axial slices is from the
  feet to the head; by their instance numbers where positions are missing. Slope and intercept are
  applied; MONOCHROME1, where small is bright, is negated.

  Raises:
    InputError: a file is damaged, compressed or too large, or they are no one series.
  """
  headers = [_slice(path) for path in paths]
  for name in ("SeriesInstanceUID", "Rows", "Columns"):
    values = [getattr(header, name, None) for header in headers]
    for path, value in zip(paths, values, strict=True):
      if value != values[0]:
        found = f"{values[0]} in {paths[0]}, {value} in {path}"
        raise InputError(f"one {name} in a folder", found, "keep one series per folder")
  places = _places(headers, paths[0].parent)
  order = np.argsort(places, kind="stable")
  for before, after in itertools.pairwise(order):
    if places[after] - places[before] < 1e-3:
      found = f"{paths[before]} and {paths[after]} at the same"
      raise InputError("one slice at each position", found, "keep one series per folder")
  shape = (len(paths), int(headers[0].Rows), int(headers[0].Columns))
  check_size(shape, paths[0].parent)
  read = partial(_read, [paths[index] for index in order], shape)
  stored = max(int(getattr(header, "BitsStored", 16)) for header in headers)
  bits = next((bits for bits in (8, 12) if stored <= bits), 16)
  return Volume(shape, read, getattr(headers[0], "Modality", "") == "CT", bits)


def _read(paths: Sequence[Path], shape: tuple[int, int, int]) -> np.ndarray:
  """float32 [D, H, W] of files in order."""
  values = np.empty(shape, np.float32)
  for index, path in enumerate(paths):
    dataset = _slice(path, _PIXELS)
    with readable(_SLICE, path), np.errstate(over="ignore"):  # not finite, which is said below
      slope = np.float64(getattr(dataset, "RescaleSlope", 1))
      intercept = float(getattr(dataset, "RescaleIntercept", 0))
      values[index] = dataset.pixel_array * slope + intercept
      if dataset.PhotometricInterpretation == "MONOCHROME1":
        values[index] *= -1
      check_finite(values[index], path)
  return values


def _slice(path: Path, tags: Sequence[str] = ()) -> Any:
  """Reads a header and further elements, checked: no file that is large or compressed is parsed."""
  pydicom, filereader = package("pydicom", "volumes"), package("pydicom.filereader", "volumes")
  with readable(_SLICE, path):
    if path.stat().st_size > _MAX_BYTES:
      raise InputError(f"slices of at most {_MAX_BYTES >> 20} MiB", f"more in {path}", "convert it")
    syntax = getattr(filereader.read_file_meta_info(path), "TransferSyntaxUID", None)
    if syntax not in _NATIVE:
      found = f"{getattr(syntax, 'name', 'no transfer syntax')} in {path}"
      remedy = "decompress it, e.g. with gdcmconv --raw"
      raise InputError("an uncompressed DICOM file", found, remedy)
    wanted = [*_HEADER, *tags]
    dataset = pydicom.dcmread(path, stop_before_pixels=not tags, specific_tags=wanted)
    for name in _HEADER:
      value = getattr(dataset, name, None)  # converted here, where a failure is caught
      if name in ("Rows", "Columns", "BitsStored", "InstanceNumber") and value is not None:
        int(value)  # a list of several is none
    grey = str(dataset.PhotometricInterpretation).startswith("MONOCHROME")
    if not grey or int(getattr(dataset, "NumberOfFrames", 1) or 1) > 1:
      raise InputError("single grey slices", f"frames or colours in {path}", "convert the series")
    check_size((1, int(dataset.Rows), int(dataset.Columns)), path)
    return dataset


def _places(headers: Sequence[Any], folder: Path) -> np.ndarray:
  """Where each slice lies along the normal, in mm, or its instance number: float64 [D]."""
  needed = ("ImageOrientationPatient", "ImagePositionPatient")
  with readable("a readable series of slices with positions", folder):
    if not all(getattr(header, name, None) for header in headers for name in needed):
      return np.array([float(header.InstanceNumber) for header in headers])
    axes = np.array([header.ImageOrientationPatient for header in headers], float)  # [D, 6]
    corners = np.array([header.ImagePositionPatient for header in headers], float)  # [D, 3]
    if not np.allclose(axes, axes[0], atol=1e-3):
      raise ValueError("its slices are not parallel")
    return check_finite(corners @ np.cross(axes[0, :3], axes[0, 3:]), folder)


def _is_marked(path: Path) -> bool:
  try:
    with path.open("rb") as file:
      return file.read(132)[128:] == b"DICM"
  except OSError:
    return True  # its reader will say what is wrong
