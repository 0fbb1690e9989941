"""A Gaussian that is well posed at any width: shrunk correlation, kept in its own axes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import scipy.linalg
from sklearn.covariance import ledoit_wolf_shrinkage

Array = np.ndarray[Any, np.dtype[np.float64]]

_DEAD = 1e-3  # a channel's standard deviation is at least this part of the layer's RMS
_SMALLEST = 1e-5  # the smallest eigenvalue of a correlation matrix, in units of a variance


@dataclasses.dataclass(frozen=True, eq=False)
class ShrunkGaussian:
  """N(mean, S), S = D^1/2 (V diag(eigenvalues - floor) V^T + floor I) D^1/2.

  D holds the channel variances; the correlation matrix R is shrunk towards the identity,
  (1 - s) R + s I, with the intensity s of Ledoit and Wolf (2004). With more images than channels
  V is square and nothing is left to the floor: a full covariance. With fewer images than
  channels V spans what the images span, and S is low-rank plus diagonal.

  Attributes:
    mean: [C]; scale: [C], D^1/2; basis: V [C, r]; eigenvalues: [r], descending; floor: the
    variance outside of V, in units of D.
  """

  mean: Array
  scale: Array
  basis: Array
  eigenvalues: Array
  floor: float

  @classmethod
  def fit(cls, features: np.ndarray[Any, Any]) -> ShrunkGaussian:
    """Mean and shrunk covariance of features [N, C], N >= 2."""
    values = np.asarray(features, np.float64)
    mean = values.mean(0)
    centred = values - mean
    scale = centred.std(0)
    scale = np.maximum(scale, _DEAD * max(float(np.sqrt((scale**2).mean())), 1e-12))
    standard = centred / scale  # [N, C]
    count, width = standard.shape
    intensity = float(ledoit_wolf_shrinkage(standard, assume_centered=True))
    trace = float((standard**2).sum() / count / width)
    floor = max(intensity * trace, _SMALLEST)
    if count > width:
      eigenvalues, basis = scipy.linalg.eigh(standard.T @ standard / count)
    else:
      eigenvalues, left = scipy.linalg.eigh(standard @ standard.T / count)
      eigenvalues, left = eigenvalues[1:], left[:, 1:]  # the mean took one direction
      lengths = np.sqrt(np.maximum(eigenvalues, 1e-12) * count)
      basis = standard.T @ left / lengths  # [C, r]
    order = np.argsort(eigenvalues)[::-1]
    shrunk = (1 - intensity) * np.maximum(eigenvalues[order], 0) + floor
    return cls(mean, scale, basis[:, order], shrunk, floor)
