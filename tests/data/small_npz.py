"""A small npz file, as users have them."""

import numpy as np

from hfc_tf import data

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 8, 8), dtype=np.uint8)
LABELS = np.array([0, 1, 0, 1, 0, 1])


def load(path, size=8, **arrays):
  np.savez(path / "d.npz", **({"images": GREY, "labels": LABELS} | arrays))
  return data.load("npz", path, image_size=size)
