"""CIFAR-10 (Krizhevsky, 2009) from an npz file or from its binary version."""

from pathlib import Path

import numpy as np

from hfc_tf.data.dataset import Listing
from hfc_tf.data.decode import resize
from hfc_tf.data.files import require_folder
from hfc_tf.data.npz import array_names, pooled, read_arrays
from hfc_tf.errors import InputError

_CLASSES = (
  "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_KEYS = ("x_train", "y_train", "x_test", "y_test")
_RECORD = 1 + 3 * 32 * 32  # label, then the planes red, green, blue


def cifar10(data_dir: Path) -> Listing:
  """Reads an npz file with x_train, y_train, x_test, y_test, or data_batch_*.bin; pooled."""
  if not data_dir.is_file():
    require_folder(data_dir, "CIFAR-10 as npz or in its binary version")
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
    pairs = [(arrays[f"x_{name}"], arrays[f"y_{name}"]) for name in ("train", "test")]
  elif batches:
    pairs = [_batch(path) for path in batches]
  else:
    expected = f"an npz file with {', '.join(_KEYS)}, or data_batch_*.bin, in {data_dir}"
    found = "neither (the pickled version is not read: a pickle can run any code)"
    raise InputError(expected, found, "fetch the binary version")
  where = archives[0] if archives else data_dir
  images, labels = pooled(pairs, where)
  if images.shape[1:] != (32, 32, 3) or images.dtype != np.uint8:
    found = f"{images.dtype} {list(images.shape)} in {where}"
    raise InputError("images uint8 [N, 32, 32, 3]", found, "fetch the data again")
  if labels.min() < 0 or labels.max() > 9:
    raise InputError("labels 0 to 9", f"others in {where}", "fetch the data again")
  return Listing(
    name="cifar10",
    source="directory",
    where=data_dir,
    labels=labels,
    class_names=_CLASSES,
    ids=[f"row {row}" for row in range(len(labels))],
    read=lambda rows, image_size, _: resize(images[rows] * np.uint16(257), image_size),
  )


def _batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
  """Images uint8 [N, 32, 32, 3] and labels [N] of a binary file."""
  values = np.fromfile(path, np.uint8)
  if not values.size or values.size % _RECORD:
    found = f"{values.size} bytes"
    raise InputError(f"records of {_RECORD} bytes in {path}", found, "fetch the file again")
  records = values.reshape(-1, _RECORD)
  return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]
