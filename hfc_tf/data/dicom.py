"""A DICOM series: its slices in order, and turned as NIfTI files are."""

import itertools
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from absl import logging

from hfc_tf.data import slices as files
from hfc_tf.data.files import readable, visible
from hfc_tf.data.slices import Slice
from hfc_tf.data.volume import Volume, check_size, oriented, oriented_shape
from hfc_tf.errors import InputError

_UNEVEN = 0.05  # of the median step
_TILT = 1.0  # degrees
_FLIP = np.diag([-1.0, -1, 1])  # left, back, head -> right, front, head


def slices(folder: Path, skipped: Counter[str] | None = None) -> list[Slice]:
  """The grey slices in a folder's DICOM files; `skipped` counts the other files by reason."""
  counts: Counter[str] = Counter() if skipped is None else skipped
  paths = [path for path in visible(folder) if path.is_file() and files.is_dicom(path)]
  return [item for path in paths for item in files.slices(path, counts)]


def look(slices: Sequence[Slice]) -> Volume:
  """Puts the slices of one series in order, by their headers.

  They go by their positions along the normal of the first one; by their instance numbers where
  positions are missing. Missing slices, uneven steps and a tilted gantry are warned of.

  Raises:
    InputError: the slices are no one series, too many, or lie at one place.
  """
  first = slices[0]
  where = first.path if len(slices) > 1 and slices[1].path == first.path else first.path.parent
  for name in ("series", "shape", "inverted"):
    for item in slices:
      if getattr(item, name) != getattr(first, name):
        actual = f"{getattr(first, name)} in {first.path}, {getattr(item, name)} in {item.path}"
        raise InputError(f"one {name} in a volume", actual, "keep one series per folder")
  check_size((len(slices), *first.shape), where)
  with readable("a readable series of slices with positions", where):
    places, axes = _places(slices)
    order = np.argsort(places, kind="stable")
    ordered, places = [slices[index] for index in order], places[order]
    for (before, after), step in zip(itertools.pairwise(ordered), np.diff(places), strict=True):
      if not step >= 1e-3:
        actual = f"{before.path} and {after.path} at the same"
        raise InputError("one slice at each position", actual, "remove one of them")
    directions = _directions(ordered, axes)
    affine = np.eye(4)
    affine[:3, :3] = _FLIP @ directions
    shape = oriented_shape((*first.shape[::-1], len(slices)), affine)
  _warn(where, ordered, places, axes, directions)
  known = {"": None, "CT": True}.get(first.modality, False)
  bits = 8 if max(item.bits for item in slices) <= 8 else None
  read = partial(_read, ordered, affine)
  return Volume(where, read, shape, known, bits, first.inverted)


def _read(slices: Sequence[Slice], affine: np.ndarray) -> np.ndarray:
  return oriented(files.pixels(slices).T, affine)


def _places(slices: Sequence[Slice]) -> tuple[np.ndarray, np.ndarray | None]:
  """Where each slice lies along the normal [n], and the axes of all [6]; None where none tells.

  In mm by its position, or by its number where one has no position: then those that have one
  tell which way numbers go.
  """
  axes = np.array([item.axes for item in slices if item.axes])
  numbers = [item.number for item in slices]
  if not len(axes):
    return _numbered(slices, numbers), None
  if not np.allclose(axes, axes[0], atol=1e-3):
    raise ValueError("its slices are not parallel")
  normal = np.cross(axes[0, :3], axes[0, 3:])
  if not 0.9 < np.linalg.norm(normal) < 1.1:
    raise ValueError("an orientation of no two axes")
  placed = [row for row, item in enumerate(slices) if item.corner]
  corners = np.array([slices[row].corner for row in placed]).reshape(len(placed), 3)
  if not np.isfinite(corners).all():
    raise ValueError("positions that are no numbers")
  if len(placed) == len(slices):
    return corners @ normal, axes[0]
  places = _numbered(slices, numbers)
  slope = np.cov(places[placed], corners @ normal)[0, 1] if len(placed) > 1 else 1
  return places if slope >= 0 else -places, axes[0]


def _numbered(slices: Sequence[Slice], numbers: Sequence[float | None]) -> np.ndarray:
  if len(slices) == 1:
    return np.zeros(1)
  if None in numbers:
    raise ValueError("neither positions nor instance numbers")
  return np.array(numbers, float)


def _directions(slices: Sequence[Slice], axes: np.ndarray | None) -> np.ndarray:
  """Of columns, rows and slices, as columns [3, 3]; those of axial slices where none tells."""
  if axes is None:
    return np.eye(3)
  steps = np.cross(axes[:3], axes[3:])
  if len(slices) > 1 and all(item.corner for item in slices):
    steps = np.subtract(slices[-1].corner, slices[0].corner)
  return np.stack([axes[:3], axes[3:], steps / np.linalg.norm(steps)], axis=-1)


def _warn(
  where: Path,
  slices: Sequence[Slice],
  places: np.ndarray,
  axes: np.ndarray | None,
  directions: np.ndarray,
) -> None:
  if len(slices) == 1:
    return
  lacking = "orientation" if axes is None else "position"
  without = sum(not item.axes if axes is None else not item.corner for item in slices)
  if without:
    said = "%s: %d of %d slices have no %s; all go by number"
    logging.warning(said, where, without, len(slices), lacking)
  steps = np.diff(places)
  low, middle, high = steps.min(), np.median(steps), steps.max()
  if high - low > _UNEVEN * middle:
    unit = "instance numbers" if without else "mm"
    said = "%s: steps of %.4g to %.4g %s between slices (median %.4g): some may be missing"
    logging.warning(said, where, low, high, unit, middle)
  if axes is not None:
    normal = np.cross(axes[:3], axes[3:])
    along = float(abs(directions[:, 2] @ normal) / np.linalg.norm(normal))
    angle = float(np.degrees(np.arccos(min(along, 1.0))))
    if angle > _TILT:
      said = "%s: slices are shifted against each other, by %.1f degrees (a tilted gantry)"
      logging.warning(said, where, angle)
