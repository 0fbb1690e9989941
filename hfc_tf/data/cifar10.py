"""CIFAR-10 (Krizhevsky, 2009) from an npz file or from its binary version."""

from pathlib import Path

import numpy as np

from hfc_tf.data import folders
from hfc_tf.data.dataset import Dataset
from hfc_tf.data.npz import array_names, from_arrays, read_arrays
from hfc_tf.errors import InputError

_CLASSES = (
  "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_KEYS = ("x_train", "y_train", "x_test", "y_test")
_RECORD = 1 + 3 * 32 * 32  # label, then the planes red, green, blue


def cifar10(
  data_dir: Path, image_size: int, seed: int, num_images: int | None, cache_dir: Path | None
) -> Dataset:
  """Reads an npz file with x_train, y_train, x_test, y_test, or data_batch_*.bin; pooled."""
  del cache_dir  # nothing is decoded
  if not data_dir.is_file():
    folders.require_folder(data_dir, "CIFAR-10 as npz or in its binary version")
  candidates = [data_dir] if data_dir.is_file() else sorted(data_dir.glob("*.npz"))
  archives = [path for path in candidates if set(_KEYS) <= array_names(path)]
  batches = [
    path
    for place in (data_dir, data_dir / "cifar-10-batches-bin")
    for pattern in ("data_batch_*.bin", "test_batch.bin")
    for path in sorted(place.glob(pattern))
  ]
  if archives:
    arrays = read_arrays(archives[0], _KEYS)
    _check_shapes(arrays, archives[0])
    images = np.concatenate([arrays["x_train"], arrays["x_test"]])
    labels = np.concatenate([arrays["y_train"].ravel(), arrays["y_test"].ravel()])
  elif batches:
    records = np.concatenate([_records(path) for path in batches])  # [N, 3073]
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    labels = records[:, 0]
  else:
    raise InputError(
      f"an npz file with {', '.join(_KEYS)}, or data_batch_*.bin, in {data_dir}",
      "neither (the pickled version is not read: a pickle can run any code)",
      "fetch the binary version",
    )
  if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() > 9:
    raise InputError("labels 0 to 9", f"others in {data_dir}", "fetch the data again")
  return from_arrays(
    data_dir,
    images,
    labels,
    _CLASSES,
    image_size=image_size,
    seed=seed,
    num_images=num_images,
    name="cifar10",
    source="directory",
  )


def _check_shapes(arrays: dict[str, np.ndarray], path: Path) -> None:
  for part in ("train", "test"):
    images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
    if images.shape != (labels.size, 32, 32, 3) or images.dtype != np.uint8:
      raise InputError(
        f"x_{part} uint8 [{labels.size}, 32, 32, 3], as many as y_{part}",
        f"{images.dtype} {list(images.shape)} in {path}",
        "fetch the data again",
      )


def _records(path: Path) -> np.ndarray:
  values = np.fromfile(path, np.uint8)
  if not values.size or values.size % _RECORD:
    raise InputError(
      f"records of {_RECORD} bytes in {path}", f"{values.size} bytes", "fetch the file again"
    )
  return values.reshape(-1, _RECORD)
