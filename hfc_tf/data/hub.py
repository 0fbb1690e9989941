"""Data sets of other libraries by name: "medmnist/pneumoniamnist", "tfds/NAME"."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hfc_tf.data.files import package
from hfc_tf.errors import InputError


def fetch(name: str, image_size: int, folder: Path | None = None) -> Path:
  """The npz file of a data set, fetched where it is not there yet.

  Args:
    name: "medmnist/" and a flag of MedMNIST, or "tfds/" and a classification data set of
      TensorFlow Datasets, whose splits are pooled.
    image_size: in pixels; MedMNIST's smallest size of at least it, else its largest, is fetched.
    folder: where it is kept; none: ~/.cache/hfc_tf.

  Raises:
    InputError: for another library or name, a library that is not installed, or no network.
  """
  library, _, title = name.partition("/")
  if library not in _LIBRARIES or not title.replace("_", "").isalnum():
    expected = f"a data set of {' or '.join(f'{each}/NAME' for each in _LIBRARIES)}"
    raise InputError(expected, repr(name), "e.g. medmnist/pneumoniamnist")
  folder = (folder or Path.home() / ".cache" / "hfc_tf") / library
  try:
    folder.mkdir(parents=True, exist_ok=True)
    return _LIBRARIES[library](title, image_size, folder)
  except InputError:
    raise
  except Exception as error:  # the libraries raise what their network libraries raise
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]
    raise InputError(f"{library} to fetch {title}", reason, "check name and network") from None


def _medmnist(title: str, image_size: int, folder: Path) -> Path:
  library = package("medmnist", "data")
  if title not in library.INFO:
    raise InputError(f"one of {', '.join(library.INFO)}", repr(title), "name one of them")
  kind = getattr(library, library.INFO[title]["python_class"])
  sizes = sorted(kind.available_sizes)
  size = next((each for each in sizes if each >= image_size), sizes[-1])
  kind(split="train", download=True, root=str(folder), size=size)
  return folder / f"{title}{'' if size == 28 else f'_{size}'}.npz"


def _tfds(title: str, image_size: int, folder: Path) -> Path:
  path = folder / f"{title}.npz"
  if not path.exists():
    from hfc_tf.storage.arrays import save_arrays

    load = package("tensorflow_datasets", "tfds").load
    images, labels = load(title, split="all", batch_size=-1, as_supervised=True)
    save_arrays(path, {"images": np.asarray(images), "labels": np.asarray(labels)})
  return path


_LIBRARIES: dict[str, Callable[[str, int, Path], Path]] = {"medmnist": _medmnist, "tfds": _tfds}
