"""Images in memory with their labels, names and groups."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hfc_tf.data import classes
from hfc_tf.data.patients import copies, joined
from hfc_tf.data.summary import facts
from hfc_tf.errors import InputError

GRIDS = ("auto", "8", "12", "16", "float")  # of images: that of their files, or another
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


@dataclasses.dataclass(eq=False)
class Dataset:
  """A labelled set of images of one size, held as 16-bit integers.

  Args:
    name: what reports call it.
    source: "directory", "synthetic", "medmnist" or "kaggle".
    pixels: uint16 [N, (D,) H, W, C], C being 1 or 3; value / 65535 is the image. An 8-bit value v
      is stored as 257 v, so v / 255 comes back exactly.
    labels: int32 [N], each in 0 .. K-1.
    ids: N names, unique: relative file names with forward slashes, or "row 17".
    groups: int64 [N], equal for images that must not straddle a split (one patient), or None.
    class_names: K names.
    bits: what the source's files hold a value: 8 to 16.
    grid: of the images that are given out, one of GRIDS; "auto" is that of `bits`.
    skipped: what its reader left out: reason -> number of files.
    grouped_by: what told the groups, e.g. "PatientID"; "" where nothing did.
    trained: whether its folder gives an image to training, bool [N]; None where it says nothing.
    copies: the first image with equal pixels, int64 [N]; None where it was not looked for.
    facts: of its files, as `summary.facts` has them.
  """

  name: str
  source: str
  pixels: np.ndarray
  labels: np.ndarray
  ids: list[str]
  groups: np.ndarray | None
  class_names: tuple[str, ...]
  bits: int = 8
  grid: str = "auto"
  skipped: Mapping[str, int] = dataclasses.field(default_factory=dict)
  grouped_by: str = ""
  trained: np.ndarray | None = None
  copies: np.ndarray | None = None
  facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def __len__(self) -> int:
    """The number of images N."""
    return len(self.labels)

  @property
  def num_classes(self) -> int:
    """The number of classes K."""
    return len(self.class_names)

  @property
  def levels(self) -> int | None:
    """2^bits - 1 of the grid on which images lie, as files hold them; None for floats."""
    return levels(self.grid, self.bits)

  def grey(self, indices: np.ndarray | Sequence[int]) -> np.ndarray:
    """Which images have one channel, or channels that are all equal, bool [n]."""
    if self.pixels.shape[-1] == 1:
      return np.ones(len(indices), bool)
    each = (self.images([index])[0] for index in indices)
    return np.array([bool((image == image[..., :1]).all()) for image in each], bool)

  def ordered(self, class_names: Sequence[str]) -> "Dataset":
    """The same images, label k standing for the k-th of the names, e.g. in a model's order.

    Raises:
      InputError: unless they are the K names of `class_names`, each once.
    """
    places = classes.order(class_names, self.class_names)
    return dataclasses.replace(
      self,
      labels=np.argsort(places).astype(np.int32)[self.labels],
      class_names=tuple(self.class_names[place] for place in places),
    )

  def images(
    self, indices: np.ndarray | Sequence[int] | slice, channels: int | None = None
  ) -> np.ndarray:
    """Returns float32 images [n, (D,) H, W, channels] in [0, 1], as k / levels on a grid.

    Args:
      indices: which images, integers [n], a mask [N] or a slice.
      channels: 3 repeats grey images, 1 takes the luminance of colour ones, None leaves them.

    Raises:
      InputError: `channels` is neither 1 nor 3.
    """
    values = self.pixels[indices].astype(np.float32) / np.float32(65535)  # [n, (D,) H, W, C]
    if channels not in (None, 1, 3):
      raise InputError("1 or 3 channels", str(channels), "use a model with 1 or 3 input channels")
    values = with_channels(values, min(channels or 3, values.shape[-1]))
    if self.levels is not None:
      top = np.float32(self.levels)
      values = np.rint(values * top) / top
    return values if channels is None else with_channels(values, channels)


class View:
  """A sequence of images of a Dataset, at indices int [n], read when they are asked for.

  `prepare` is what a model wants of images in [0, 1], if anything.
  """

  def __init__(
    self,
    dataset: Dataset,
    indices: np.ndarray,
    channels: int | None = None,
    prepare: Callable[[np.ndarray], np.ndarray] | None = None,
  ) -> None:
    self._dataset, self._indices, self._channels = dataset, indices, channels
    self._prepare = prepare

  def __len__(self) -> int:
    """n."""
    return len(self._indices)

  def __getitem__(self, rows: np.ndarray) -> np.ndarray:
    """float32 [r, (D,) H, W, channels] of the rows int [r]."""
    images = self._dataset.images(self._indices[rows], self._channels)
    return images if self._prepare is None else self._prepare(images)


@dataclasses.dataclass(frozen=True, eq=False)
class Listing:
  """What a reader finds in a folder or a file, before images are drawn and decoded.

  Args:
    name, source, class_names: as in `Dataset`.
    where: the folder or the file.
    labels: int [N].
    items: N files below `where`, or rows of an array.
    read: (items, image_size, cache folder or None) -> pixels uint16 [n, (D,) H, W, C], and bits.
    patients: items -> n names, equal for images of one patient; None where nothing tells.
    skipped: what is there and is left out: reason -> number of files.
    grouped_by: as in `Dataset`.
    trained: whether an item is one of training by its folder; None where folders say nothing.
  """

  name: str
  source: str
  where: Path
  labels: np.ndarray | Sequence[int]
  class_names: tuple[str, ...]
  items: Sequence[Any]
  read: Callable[[list[Any], int, Path | None], tuple[np.ndarray, int]]
  patients: Callable[[list[Any]], Sequence[object] | np.ndarray] | None = None
  skipped: Mapping[str, int] = dataclasses.field(default_factory=dict)
  grouped_by: str = ""
  trained: Callable[[Any], bool] | None = None

  def dataset(self, image_size: int, seed: int, num_images: int | None, cache: Any) -> Dataset:
    """Draws images by class and decodes them; the arguments are those of `hfc_tf.data.load`."""
    if image_size < 1:
      raise InputError("an image size of at least 1 pixel", str(image_size), "raise it")
    labels = np.array(self.labels, np.int32)
    check_labels(labels, self.class_names, self.where)
    rows = stratified_subset(labels, num_images, seed)
    items, labels = [self.items[row] for row in rows], labels[rows]
    check_labels(labels, self.class_names, f"the {len(rows)} images drawn from {self.where}")
    pixels, bits = self.read(items, image_size, cache and Path(cache))
    groups, same = self.patients and group_numbers(self.patients(items)), copies(pixels)
    return Dataset(
      name=self.name,
      source=self.source,
      pixels=pixels,
      labels=labels,
      ids=[
        item.relative_to(self.where).as_posix() if isinstance(item, Path) else f"row {item}"
        for item in items
      ],
      groups=joined(groups, same),
      class_names=self.class_names,
      bits=bits,
      skipped=self.skipped,
      grouped_by=self.grouped_by,
      trained=self.trained and np.array([self.trained(item) for item in items], bool),
      copies=same,
      facts=facts(items, labels, self.class_names),
    )


def with_channels(images: np.ndarray, channels: int) -> np.ndarray:
  """Images in [0, 1] `[..., C]` as `[..., channels]`: grey copied, of colours the luminance."""
  if channels == images.shape[-1]:
    return images
  return np.repeat(images, 3, -1) if channels == 3 else np.clip(images @ LUMINANCE, 0, 1)[..., None]


def levels(grid: str, bits: int) -> int | None:
  """2^b - 1 of a grid, one of GRIDS; None for floats. `bits` are those of the files."""
  return None if grid == "float" else 2 ** (bits if grid == "auto" else int(grid)) - 1


def widened(values: np.ndarray, bits: int = 12) -> np.ndarray:
  """b-bit values in 16 bits, uint16: v -> 65535 v / (2^b - 1), rounded, from which v comes back."""
  table = np.rint(np.arange(2**bits) * (65535 / (2**bits - 1))).astype(np.uint16)
  stored, wide = values.reshape(-1), np.empty(values.size, np.uint16)
  for start in range(0, values.size, 2**20):  # NumPy makes indices eight bytes wide
    wide[start : start + 2**20] = table[stored[start : start + 2**20]]
  return wide.reshape(values.shape)


def check_labels(labels: np.ndarray, class_names: Sequence[str], where: object) -> None:
  """Raises InputError unless there are two classes or more and each has an image."""
  if len(class_names) < 2:
    raise InputError("at least two classes", f"{len(class_names)} in {where}", "add another class")
  missing = sorted(set(range(len(class_names))) - set(np.unique(labels).tolist()))
  if missing:
    names = ", ".join(class_names[label] for label in missing[:5])
    actual = f"none of class {names} in {where}"
    raise InputError("images of every class", actual, "add images or remove the class")


def group_numbers(keys: Sequence[object] | np.ndarray) -> np.ndarray | None:
  """Numbers equal keys alike: int64 [N]; None if no two are equal, since nothing binds then."""
  unique, numbers = np.unique([str(key) for key in keys], return_inverse=True)
  return None if len(unique) == len(keys) else numbers.astype(np.int64)


def stratified_subset(labels: np.ndarray, size: int | None, seed: int) -> np.ndarray:
  """Draws `size` images, or all, in the proportion of their classes: sorted indices, int64.

  Image r of a class's seeded order of n_c images gets the rank r / n_c, and the lowest ranks are
  taken: every class comes in early, and a smaller draw is part of a larger one.
  """
  if size is not None and size < 1:
    raise InputError("a number of images of at least 1", str(size), "raise it")
  order = np.random.default_rng(seed).permutation(len(labels))
  rank = np.empty(len(labels))
  for label in np.unique(labels):
    members = order[labels[order] == label]
    rank[members] = np.arange(len(members)) / len(members)
  return np.sort(np.argsort(rank, kind="stable")[:size])
