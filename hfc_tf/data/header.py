"""What an npz file holds, by its headers alone."""

import zipfile
from pathlib import Path

import numpy as np

from hfc_tf.data.files import readable

_NAMES = ("images.npy", "train_images.npy")  # ours and MedMNIST's


def shape(path: Path) -> tuple[int, ...]:
  """The shape of the array of images; () where there is none.

  Raises:
    InputError: for a file that is no npz file.
  """
  files = [path] if path.is_file() else sorted(path.glob("*.npz"))
  for file in files:
    with readable("an npz file at --data_dir", file), zipfile.ZipFile(file) as archive:
      for name in (name for name in _NAMES if name in archive.namelist()):
        with archive.open(name) as member:
          version = np.lib.format.read_magic(member)
          read = np.lib.format.read_array_header_1_0
          if version != (1, 0):
            read = np.lib.format.read_array_header_2_0
          return tuple(read(member)[0])
  return ()
