import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from hfc_tf.data import cache, decode

COLOUR = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)


def test_memory_holds_few_images_ahead():
  begun = []
  taken = cache.in_order(lambda item: begun.append(item) or np.array(item), range(200), threads=2)
  assert [int(next(taken)) for _ in range(3)] == [0, 1, 2]
  assert len(begun) < 12
  assert [int(item) for item in taken] == list(range(3, 200))


def test_large_results_without_a_cache_lie_in_a_file(tmp_path, monkeypatch):
  Image.fromarray(COLOUR).save(tmp_path / "a.png")
  held = decode.decode_images([tmp_path / "a.png"], 8)[0]
  monkeypatch.setattr(cache, "_IN_MEMORY", 10)
  mapped = decode.decode_images([tmp_path / "a.png"], 8)[0]
  assert isinstance(mapped, np.memmap)
  np.testing.assert_array_equal(mapped, held)


_MEASURE = """
import pathlib, resource, sys
import numpy as np
import tensorflow as tf
from hfc_tf import data
from hfc_tf.data import archive, arrays, decode, image_file
from PIL import Image
tf.image.resize(np.zeros((1, 8, 8, 1), np.uint8), [4, 4], antialias=True)
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if sys.argv[1] == "images":
  decode.decode_images([pathlib.Path(sys.argv[2])] * 4, 32)
else:
  data.load("npz", sys.argv[2], 32)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) >> 10)
"""


def _mebibytes(kind, path):
  """Memory that reading a file takes above what a process has anyway."""
  done = subprocess.run(
    [sys.executable, "-c", _MEASURE, kind, str(path)], check=True, capture_output=True, text=True
  )
  return int(done.stdout.split()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_memory_of_an_archive_does_not_grow_with_it(tmp_path, dtype):
  shape = (2**28 // np.dtype(dtype).itemsize // 2**16, 256, 256)  # 256 MiB
  with zipfile.ZipFile(tmp_path / "d.npz", "w", zipfile.ZIP_DEFLATED) as file:
    with file.open("images.npy", "w") as member:
      layout = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
      np.lib.format.write_array_header_1_0(member, layout)
      for _ in range(2**4):
        member.write(bytes(2**24))
    with file.open("labels.npy", "w") as member:
      np.save(member, np.arange(shape[0]) % 2)
  assert _mebibytes("npz", tmp_path / "d.npz") < 200


@pytest.mark.slow
def test_memory_of_large_images_is_bounded(tmp_path):
  Image.fromarray(np.zeros((8000, 8000, 3), np.uint8)).save(tmp_path / "a.png")  # 183 MiB
  assert _mebibytes("images", tmp_path / "a.png") < 900
