"""A Gaussian that is well posed at any width: shrunk correlation, kept in its own axes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.linalg

from hfc_tf.densities.blocks import Array, Blocks

_INTENSITIES = np.geomspace(1e-5, 1, 31)  # of the shrinkage, to choose from


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ShrunkGaussian:
  """N(mean, S), S = D^1/2 (V diag(eigenvalues - floor) V^T + floor I) D^1/2.

  D holds the channel variances; the correlation matrix R is shrunk towards the identity,
  (1 - s) R + s I, with the intensity s under which images are likeliest that were left out one
  by one (Hoffbeck and Landgrebe 1996). With more images than channels V is square and nothing
  is left to the floor: a full covariance. With fewer images than channels V spans what the
  images span, and S is low-rank plus diagonal.
  """

  mean: Array  # [C]
  scale: Array  # D^1/2 [C]
  basis: Array  # V [C, r]
  eigenvalues: Array  # [r], descending
  floor: float  # the variance outside of V, in units of D

  @classmethod
  def fit(cls, features: Any, least: Any = 0.0) -> ShrunkGaussian:
    """Mean and shrunk covariance of features [N, C], N >= 2, given as to Blocks.

    No channel has a smaller deviation than `least` [C]; those that do not move count for nothing.
    """
    blocks = Blocks(features)
    count, width = blocks.count, blocks.width
    mean, scale = blocks.scale(least)

    def standards() -> Iterator[Array]:
      return ((block - mean) / scale for block in blocks)  # [n, C] each

    if count > width:
      products = np.zeros((width, width))
      for standard in standards():
        products += standard.T @ standard
      eigenvalues, basis = scipy.linalg.eigh(products / count)
    else:
      standard = np.concatenate(list(standards()))
      eigenvalues, left = scipy.linalg.eigh(standard @ standard.T / count)
      eigenvalues, left = eigenvalues[1:], left[:, 1:]  # the mean took one direction
      lengths = np.sqrt(np.maximum(eigenvalues, 1e-12) * count)
      basis = standard.T @ left / lengths  # [C, r]
    eigenvalues, basis = np.maximum(eigenvalues[::-1], 0), basis[:, ::-1]
    trace = max(float(eigenvalues.sum()) / width, 1e-12)
    losses = np.zeros(len(_INTENSITIES))
    for standard in standards():
      losses += _left_out(standard, basis, eigenvalues, trace, count)
    usable = np.where(np.isfinite(losses), losses, np.inf)
    intensity = float(_INTENSITIES[usable.argmin() if np.isfinite(losses).any() else -1])
    floor = intensity * trace
    return cls(mean, scale, basis, (1 - intensity) * eigenvalues + floor, floor)

  def __repr__(self) -> str:
    return f"ShrunkGaussian(channels={len(self.mean)}, directions={len(self.eigenvalues)})"

  @property
  def log_volume(self) -> float:
    """ln |S|."""
    outside = (len(self.mean) - len(self.eigenvalues)) * np.log(self.floor)
    return float(np.log(self.eigenvalues).sum() + 2 * np.log(self.scale).sum() + outside)


def _left_out(standard: Array, basis: Array, eigenvalues: Array, trace: float, count: int) -> Array:
  """-2 ln N(x_n | others' mean, others' shrunk R), summed over rows [n, C], for every intensity.

  Without x_n, which is centred, the covariance of the rest is N/(N-1) (R - x_n x_n^T / (N-1)) and
  x_n lies N/(N-1) x_n away from their mean: a rank-one change of what all share, G. What it leaves
  of |G| is a difference of nearly equal numbers where images are few, and summed from what remains.
  """
  width, rank = basis.shape
  intensities, ratio = _INTENSITIES, count / (count - 1)
  outside = intensities * trace
  values = (1 - intensities) * ratio * eigenvalues[:, None] + outside  # of G, [r, S]
  log_volume = np.log(values).sum(0) + (width - rank) * np.log(outside)
  turned = (standard @ basis) ** 2  # [n, r]; images do not leave what the basis spans
  forms = turned @ (1 / values)  # x_n^T G^-1 x_n, [n, S]
  spanned = eigenvalues > 1e-12 * eigenvalues.max(initial=0)
  inverse = np.where(spanned, 1 / np.where(spanned, eigenvalues, 1), 0)[:, None]  # [r, 1]
  leverage = np.minimum(turned @ inverse / (count - 1), 1)  # [n, 1]
  remaining = (1 - leverage) + turned @ (inverse * outside / values) / (count - 1)  # [n, S]
  with np.errstate(divide="ignore", invalid="ignore"):
    return np.asarray((log_volume + np.log(remaining) + ratio**2 * forms / remaining).sum(0))
