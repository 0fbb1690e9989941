"""HDF5 files, read to their end once by a process that may hang or die of them.

On a damaged file the HDF5 library may loop for ever or crash, and its process with it.
"""

from __future__ import annotations

import io
import os
import resource
import subprocess
import sys
import time
import zipfile

_UNPACKED = 2**28  # bytes that any file may unpack to; larger ones to _PACKED times their size
_PACKED = 8
_SECONDS = 2  # of processor time, and one more for every _SPEED bytes
_SPEED = 2**25
_ADDRESSES = 2**32  # bytes, and four times the file


def hdf5_damage(path: str | os.PathLike[str]) -> str | None:
  """What is wrong with an HDF5 file, or with the one in a .keras archive; None: it is whole.

  Whole means that the archive's checksums are right and that all groups, attributes and datasets
  can be read, in bounded time and memory. Datasets that lie in other files are not read.
  """
  single = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # whose threads take addresses
  try:
    done = subprocess.run(
      [sys.executable, "-P", __file__, path],
      env={**os.environ, **single, "PYTHONPATH": os.pathsep.join(sys.path)},
      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
      timeout=60 + 10 * _seconds(path), check=False,
    )  # fmt: skip
  except OSError as error:
    return error.strerror or str(error)
  except subprocess.TimeoutExpired:
    return "HDF5 does not come to its end"
  if not done.returncode:
    return None
  lines = done.stderr.decode(errors="replace").strip().splitlines()
  killed = done.returncode < 0 or not lines
  return "HDF5 crashes on it or does not come to its end" if killed else lines[-1][:200]


def _seconds(path: str | os.PathLike[str]) -> int:
  return _SECONDS + os.path.getsize(path) // _SPEED


def _read(path: str) -> None:
  """Reads everything; raises whatever that raises."""
  import h5py  # type: ignore[import-untyped]

  size, used = os.path.getsize(path), int(time.process_time())
  max_unpacked = max(_UNPACKED, _PACKED * size)
  limits = {
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_CPU: used + _seconds(path),
    resource.RLIMIT_AS: _ADDRESSES + 4 * size,
  }
  for limit, value in limits.items():
    hard = resource.getrlimit(limit)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, hard))
  file: str | io.BytesIO = path
  if path.endswith(".keras"):
    with zipfile.ZipFile(path) as archive:
      if sum(member.file_size for member in archive.infolist()) > max_unpacked:
        raise ValueError("it unpacks to many times its size")
      if broken := archive.testzip():
        raise ValueError(f"the CRC of {broken} is wrong")
      file = io.BytesIO(archive.read("model.weights.h5"))
  sizes = []

  def visit(_: str, item: h5py.Group | h5py.Dataset) -> None:
    dict(item.attrs)
    if isinstance(item, h5py.Dataset) and not (item.external or item.is_virtual):
      sizes.append(item.nbytes)
      if sum(sizes) > max_unpacked:
        raise ValueError("it unpacks to many times its size")
      item[()]

  with h5py.File(file, "r") as opened:
    dict(opened.attrs)
    opened.visititems(visit)


if __name__ == "__main__":
  try:
    _read(sys.argv[1])
  except Exception as error:
    sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")
