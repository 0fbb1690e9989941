"""One Gaussian shape for several classes, and coordinates in which it is a unit ball."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular
from sklearn.covariance import ledoit_wolf_shrinkage
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

Array = npt.NDArray[Any]


def spread(values: Array, residuals: Array | None = None) -> Array:
  """Standard deviation of each channel `[C]`, the unit in which detectors measure it.

  Of features of Train `[N, C]`, or of their residuals around the means of their classes, but at
  least a thousandth of the former. Infinite where a channel does not move, up to rounding: it has
  no unit, and what is divided by its spread counts for nothing.
  """
  deviation = values.std(axis=0, dtype=np.float64)
  rounding = 1e-6 * np.abs(values).max(axis=0, initial=0.0)
  within = deviation if residuals is None else residuals.std(axis=0, dtype=np.float64)
  return np.where(deviation > rounding, np.maximum(within, 1e-3 * deviation), np.inf)


def whitening(residuals: Array, shrinkage: float | None = None) -> Array:
  """W `[C, C]` with |x W|^2 = x' S^-1 x, S the shrunk covariance of centred rows X `[N, C]`.

      S = (1 - a) X'X / N + a tr(X'X / N) / C I

  with a shrinkage a in [0, 1], Ledoit and Wolf's if None. Its target treats all channels alike:
  give rows in units of `spread`. Computed in float64 through a Cholesky factor S = L L', W = L^-T,
  so that 4096 channels with fewer rows are no trouble.
  """
  residuals = residuals.astype(np.float64)
  channels = residuals.shape[1]
  covariance = residuals.T @ residuals / len(residuals)  # [C, C]
  if shrinkage is None:
    shrinkage = float(ledoit_wolf_shrinkage(residuals, assume_centered=True))
  target = np.trace(covariance) / channels
  covariance *= 1.0 - shrinkage
  # The last term keeps duplicated or dead channels from making S singular.
  covariance[np.diag_indices(channels)] += shrinkage * target + 1e-6 * target + 1e-12
  # The threads of a factorisation wait for each other; beside other work that takes minutes.
  with threadpool_limits(1, user_api="blas"):
    factor = np.linalg.cholesky(covariance)
    return np.asarray(solve_triangular(factor, np.eye(channels), lower=True, overwrite_b=True).T)


def class_means(values: Array, labels: Array) -> Array:
  """Mean of each class `[K, C]` in float64, classes 0 to the largest label."""
  return np.stack(
    [values[labels == c].mean(axis=0, dtype=np.float64) for c in range(labels.max() + 1)]
  )
