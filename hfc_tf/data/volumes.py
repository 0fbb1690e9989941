"""A folder per class of volumes: NIfTI files and DICOM series, in folders as they come."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from absl import logging

from hfc_tf.data import decode, dicom, nifti
from hfc_tf.data.cache import MAX_BYTES, Decoded, cached
from hfc_tf.data.dataset import Listing
from hfc_tf.data.files import class_folders, visible
from hfc_tf.data.owners import owners
from hfc_tf.data.slices import Slice, is_dicom
from hfc_tf.data.volume import Volume
from hfc_tf.data.windows import (
  BRAIN_WINDOW,
  CT_WINDOW,
  looks_like_ct,
  parsed,
  percentiles,
  stored_bits,
  tissue,
  windowed,
)
from hfc_tf.errors import InputError

_LAYOUT = "one sub-folder per class of NIfTI files (.nii, .nii.gz, .hdr) and DICOM slices"
_MASK = re.compile(
  r"(^segmentation|[ ._-](masks?|d?seg|segmentation|labels?))[ ._-]?\d*\.(nii|hdr)", re.I
)
_CACHE_VERSION = 3

Scan = Path | list[Slice]
Window = Sequence[float | str]


def volumes(data_dir: Path, window: Window | None = None, depth: int | None = None) -> Listing:
  """Lists the volumes in DATA_DIR/CLASS and below: NIfTI files and DICOM series.

  A series is what has one PatientID, StudyInstanceUID and SeriesInstanceUID in a folder; it is
  named by the folder, or by its first file where the folder is the class's or holds several. A
  DICOM file of many frames is a volume.

  A voxel v becomes (v - level) / width + 1/2, cut to [0, 1] (DICOM PS3.3, C.11.2.1.3.2), and black
  where it is padding. Without a window CT takes CT_WINDOW, everything else its own range from the
  0.5th to the 99.5th percentile; what NIfTI holds is CT where its smallest values are about those
  of air. Volumes are resized, linearly and antialiased, to `image_size` in the plane and to one
  depth.

  One group is what has the same PatientID, or StudyInstanceUID; of other volumes what has the same
  BIDS name (sub-...), or lies in the same folder of a class. What a name calls a mask is left out
  where others lie beside it.

  Args:
    data_dir: the folder; its sub-folders in sorted order are the classes.
    window: (level, width) in the files' units, as numbers or text.
    depth: slices; None takes the median of the volumes drawn.
  """
  limits = None if window is None else parsed(window)
  if depth is not None and depth < 1:
    raise InputError("a depth of at least 1", str(depth), "raise it")
  classes = class_folders(data_dir, _LAYOUT)
  skipped: Counter[str] = Counter()
  loose = sum(path.is_file() for path in visible(data_dir))
  skipped.update({"outside the class folders": loose} if loose else {})
  scans: dict[Path, Scan] = {}
  labels: list[int] = []
  for label, folder in enumerate(classes):
    members = _scans(folder, skipped)
    scans |= dict(sorted(members.items()))
    labels += [label] * len(members)
  for reason, count in skipped.items():
    logging.warning("%s: %d left out: %s", data_dir, count, reason)
  series = Counter(scan[0].series for scan in scans.values() if not isinstance(scan, Path))
  if twice := sum(count > 1 for count in series.values()):
    logging.warning("%s: %d series lie in several folders, a volume in each", data_dir, twice)

  def look(path: Path) -> Volume:
    scan = scans[path]
    return nifti.look(path) if isinstance(scan, Path) else dicom.look(scan)

  def read(drawn: list[Path], image_size: int, cache_dir: Path | None) -> tuple[np.ndarray, int]:
    files = [file for path in drawn for file in _files(scans[path])]
    made_of = [_CACHE_VERSION, "volumes", image_size, depth, limits]
    looked = [look(path) for path in drawn]
    return cached(cache_dir, files, made_of, lambda: _decoded(looked, image_size, depth, limits))

  names = tuple(path.name for path in classes)
  name, patients = data_dir.resolve().name, partial(_patients, data_dir, scans)
  known = any(who != str(path) for who, path in zip(patients(list(scans)), scans, strict=True))
  return Listing(
    name, "directory", data_dir, labels, names, list(scans), read, patients, dict(skipped),
    "DICOM tags, BIDS names or folders" if known else "",
  )  # fmt: skip


def brain(data_dir: Path, window: Window | None = None, depth: int | None = None) -> Listing:
  """Lists head CT as `volumes` does, a folder per cause of haemorrhage; BRAIN_WINDOW by default."""
  listing = volumes(data_dir, BRAIN_WINDOW if window is None else window, depth)
  return dataclasses.replace(listing, name="brain")


def _scans(folder: Path, skipped: Counter[str], above: tuple[Path, ...] = ()) -> dict[Path, Scan]:
  """The volumes in a class's folder and below; whatever else is there is counted as skipped."""
  if folder.resolve() in above:  # a link in a circle
    return {}
  above = (*above, folder.resolve())
  scans: dict[Path, Scan] = {}
  images: dict[Path, list[Path]] = {}
  others = 0
  for path in visible(folder):
    if path.is_dir():
      scans |= _scans(path, skipped, above)
    elif not path.is_file():  # a pipe would never end
      others += 1
    elif files := nifti.files(path):
      images[path] = files
    else:
      others += not is_dicom(path)
  others -= len({file for files in images.values() for file in files} - images.keys())
  masks = [path for path in images if _MASK.search(path.name)]
  if len(masks) == len(images):
    masks = []
  scans |= {path: path for path in images if path not in masks}
  for reason, count in (
    ("neither DICOM nor NIfTI", others),
    ("a mask beside its volume", len(masks)),
  ):
    skipped.update({reason: count} if count else {})
  series: dict[tuple[str, ...], list[Slice]] = {}
  for item in dicom.slices(folder, skipped):
    series.setdefault(item.series, []).append(item)
  for items in series.values():
    alone = len(above) > 1 and len(series) == 1
    scans[folder if alone else items[0].path] = items
  return scans


def _files(scan: Scan) -> list[Path]:
  return nifti.files(scan) if isinstance(scan, Path) else list({item.path: 0 for item in scan})


def _patients(data_dir: Path, scans: dict[Path, Scan], drawn: list[Path]) -> Sequence[object]:
  """A name for each volume; one name for all (anonymised) tells nothing, so the next is tried."""
  places = owners(data_dir, drawn)
  studies, names = list(places), list(places)
  for index, scan in enumerate(map(scans.__getitem__, drawn)):
    if not isinstance(scan, Path):
      studies[index] = scan[0].study or places[index]
      names[index] = scan[0].patient or studies[index]
  return next((each for each in (names, studies, places) if len(set(each)) > 1), drawn)


def _decoded(
  looked: Sequence[Volume], image_size: int, depth: int | None, limits: tuple[float, float] | None
) -> Decoded:
  """The shape of the whole, and its volumes uint16 [depth, image_size, image_size, 1] in order."""
  depth = depth or round(float(np.median([volume.shape[0] for volume in looked])))
  shape = (len(looked), depth, image_size, image_size, 1)
  if 2 * float(np.prod(shape, dtype=float)) > MAX_BYTES:
    expected = f"volumes of at most {MAX_BYTES >> 30} GiB in all"
    raise InputError(expected, f"{shape}", "lower --image_size, --depth or --num_images")
  bits = [8]

  def read() -> Iterator[np.ndarray]:  # one at a time: they may be large
    counts: Counter[str] = Counter()
    padded: list[float] = []
    for index, volume in enumerate(looked, 1):
      logging.log_every_n_seconds(logging.INFO, "read %d of %d", 10, index, len(looked))
      values = volume.read()  # [D, h, w]
      some = tissue(values, volume.path)
      bits.append(volume.bits or stored_bits(values))
      padded.append(np.isnan(values).mean())
      is_ct = looks_like_ct(some) if volume.hounsfield is None else volume.hounsfield
      counts["CT"] += is_ct
      window = limits or (CT_WINDOW if is_ct else percentiles(some, values))
      grey = np.empty(values.shape, np.uint16)
      for row in range(len(values)):
        grey[row] = windowed(values[row], *window, volume.inverted)
      del values
      pixels = _resized(grey, image_size, depth)
      del grey
      yield pixels
    if any(padded):
      said = "%d of %d volumes hold padding, up to %.3g %% of one: it is black"
      logging.info(said, np.count_nonzero(padded), len(looked), 100 * max(padded))
    if limits is None and counts["CT"]:
      said = "%d of %d volumes are CT: without --window they take level %g, width %g"
      mixed = counts["CT"] < len(looked)
      log = logging.warning if mixed else logging.info
      log(said + (", the others their own range" if mixed else ""),
          counts["CT"], len(looked), *CT_WINDOW)  # fmt: skip

  return shape, read(), lambda: max(bits)


def _resized(grey: np.ndarray, image_size: int, depth: int) -> np.ndarray:
  """As `resize`, of uint16 [D, H, W] and in little memory: first the axes that shrink."""
  if image_size**2 > grey[0].size:
    return _in_plane(_along_depth(grey, depth), image_size)
  return _along_depth(_in_plane(grey, image_size), depth)


def _in_plane(planes: np.ndarray, image_size: int) -> np.ndarray:
  """uint16 [D, H, W, ...] to [D, image_size, image_size, 1], a slice at a time."""
  resized = np.empty((len(planes), image_size, image_size, 1), np.uint16)
  for row in range(len(planes)):
    resized[row] = decode.resize(planes[row].reshape(*planes.shape[1:3], 1), image_size)
  return resized


def _along_depth(planes: np.ndarray, depth: int) -> np.ndarray:
  """uint16 [D, ...] to [depth, ...], linearly, antialiased, some columns at a time."""
  if len(planes) == depth:
    return planes
  table = planes.reshape(1, len(planes), -1, 1)
  resized = np.empty((depth, table.shape[2]), np.uint16)
  width = max(2**24 // max(len(planes), depth), 1)
  for start in range(0, table.shape[2], width):
    strip = table[:, :, start : start + width]
    narrow = decode.resized_planes(strip, depth, strip.shape[2])
    resized[:, start : start + width] = narrow[0, ..., 0]
  return resized.reshape(depth, *planes.shape[1:])


def resize(pixels: np.ndarray, image_size: int, depth: int) -> np.ndarray:
  """Resizes uint16 [D, H, W, C] to [depth, image_size, image_size, C], linearly, antialiased."""
  return _along_depth(decode.resize(pixels, image_size), depth)
