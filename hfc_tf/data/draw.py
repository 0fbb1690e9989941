"""Draws a part of the images that takes the same share of every class and keeps groups whole."""

import numpy as np
from absl import logging
from sklearn.model_selection import StratifiedKFold

from hfc_tf.data.dataset import Dataset
from hfc_tf.errors import InputError


def held_out(
  dataset: Dataset, indices: np.ndarray, fraction: float, folds: int, seed: int
) -> np.ndarray:
  """Sorted indices of a `fraction` of every class, no group of which is elsewhere.

  Without groups these are whole stratified folds. With groups, which may be few and differ in size,
  orders of them are drawn in which each class comes in evenly; the first whose beginning holds the
  fraction of every class to 2 % decides, or of 200 the nearest.

  Raises:
    InputError: all images are of one group.
  """
  labels = dataset.labels[indices]
  if dataset.groups is None:
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    folded = [fold for _, fold in splitter.split(labels, labels)][: round(fraction * folds)]
    return np.sort(indices[np.concatenate(folded)])
  names, groups = np.unique(dataset.groups[indices], return_inverse=True)
  if len(names) < 2:
    raise InputError("images of two patients to split", "those of one", "use more patients")
  counts = np.zeros((len(names), dataset.num_classes))
  np.add.at(counts, (groups, labels), 1)  # [G, K] images
  several = (counts > 0).sum(axis=0) > 1  # the only patient of a class is on one side
  counts = counts[:, several if several.any() else counts.any(axis=0)]
  shares, rng = counts / counts.sum(axis=0), np.random.default_rng((seed, len(names)))
  least, chosen = np.inf, np.zeros(0, np.int64)
  for _ in range(200):
    order = rng.permutation(len(names))
    main, sizes = counts[order].argmax(axis=1), shares[order].max(axis=1)  # [G]
    rank = np.zeros(len(names))
    for label in np.unique(main):
      some = main == label
      rank[some] = np.cumsum(sizes[some]) - rng.uniform(0, 1) * sizes[some]
    order = order[np.argsort(rank, kind="stable")]
    beginnings = np.cumsum(shares[order], axis=0)[:-1]  # [G - 1, K]
    errors = np.abs(beginnings - fraction).max(axis=1)
    errors += (beginnings < 1e-9).any(axis=1) + (beginnings > 1 - 1e-9).any(axis=1)
    if errors.min() < least:
      least, chosen = errors.min(), order[: errors.argmin() + 1]
    if least <= 0.02:
      break
  if least > 0.051:
    largest = np.bincount(groups).max()
    logging.warning(
      "%d patients, the largest with %d of %d images, split into %.0f %% instead of %.0f %%",
      len(names), largest, len(indices), 100 * np.isin(groups, chosen).mean(), 100 * fraction,
    )  # fmt: skip
  return np.sort(indices[np.isin(groups, chosen)])
