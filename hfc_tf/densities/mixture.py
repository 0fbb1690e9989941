"""Gaussian mixtures fitted by EM, well posed at any width and flat in memory."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import tensorflow as tf
from scipy.special import logsumexp
from sklearn.cluster import kmeans_plusplus

from hfc_tf.densities.blocks import Blocks
from hfc_tf.densities.expectation import maximise
from hfc_tf.densities.gaussian import Array, ShrunkGaussian

_LOG_2PI = float(np.log(2 * np.pi))
_SAMPLE = 2**14  # points that stand for all where a start is looked for


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class GaussianMixture:
  """p(f) = sum_m pi_m N(f | mu_m, S_m)   (TMI Eq. 14), fitted by EM with a prior.

  All components share the axes of one shrunk Gaussian of the class (`base`). In its leading
  `p` principal directions, whitened, every component has a mean a_m [p] and a full covariance
  B_m [p, p] of its own; in the other directions it has the class's:

      mu_m = mean + D^1/2 V_p L_p^1/2 a_m
      S_m  = S + D^1/2 V_p L_p^1/2 (B_m - I) L_p^1/2 V_p^T D^1/2

  so that 64 components of 4096 units cost little more than one. EM maximises the likelihood with
  an inverse-Wishart prior of scale and strength p on each B_m, whose mode is the class's covariance
  (see `expectation.maximise`). With an identity for V and p = C the S_m are dense.

  Attributes:
    base: the class's shrunk Gaussian.
    weights: pi [M]. means: a [M, p]. covariances: B [M, p, p].
    history: (penalised) log-likelihood a sample, one value an iteration, the start's first; of
      scikit-learn's fits the last alone.
    converged: whether the last gain was below the tolerance.
  """

  base: ShrunkGaussian
  weights: Array
  means: Array
  covariances: Array
  history: tuple[float, ...] = ()
  converged: bool = True

  @classmethod
  def fit(
    cls,
    features: Any,
    components: int,
    *,
    subspace: int = 32,
    iterations: int = 100,
    tolerance: float = 1e-3,
    seed: int = 0,
    least: Any = 0.0,
  ) -> GaussianMixture:
    """Fits `components` components to features [N, C] by EM from a k-means++ start.

    Args:
      features: [N, C]: an array, an np.memmap or Blocks.
      components: M.
      subspace: p, leading principal directions in which components differ.
      iterations: EM iterations at the most.
      tolerance: EM stops when the penalised log-likelihood a sample gains less.
      seed: of the k-means++ start.
      least: the smallest deviation that a channel may have, [C].

    Raises:
      InputError: for fewer images than components or features that are not finite.
    """
    blocks = Blocks(features)
    blocks.check(components, seed)
    base = ShrunkGaussian.fit(blocks, least)
    size = min(subspace, len(base.eigenvalues))
    leading = np.concatenate(
      [_whiten(base, block, size).astype(blocks.dtype) for block in blocks]
    )  # [N, p]
    centres, _ = kmeans_plusplus(_sample(leading, seed), components, random_state=seed)
    return cls(base, *maximise(leading, centres, tolerance, iterations))

  def __repr__(self) -> str:
    return f"{type(self).__name__}(components={self.components}, channels={self.width})"

  @property
  def components(self) -> int:
    """M."""
    return len(self.weights)

  @property
  def width(self) -> int:
    """C."""
    return len(self.base.mean)

  @property
  def locations(self) -> Array:
    """mu_m of every component, [M, C]."""
    base, size = self.base, self.means.shape[1]
    spread = base.basis[:, :size] * np.sqrt(base.eigenvalues[:size])
    return base.mean + base.scale * (self.means @ spread.T)

  @functools.cached_property
  def distribution(self) -> Any:
    """The same density as a float64 tfp MixtureSameFamily over vectors [C]."""
    import tensorflow_probability as tfp  # seconds, and nothing else needs it

    operator = tf.linalg
    base, size = self.base, self.means.shape[1]
    values, vectors = np.linalg.eigh(self.covariances)  # [M, p], [M, p, p]
    basis = tf.constant(base.basis)  # [C, r]
    axes = tf.constant(base.basis[:, :size] @ vectors)  # [M, C, p]
    root_floor = np.sqrt(base.floor)
    scale = operator.LinearOperatorComposition(
      [
        operator.LinearOperatorDiag(tf.constant(base.scale), is_non_singular=True),
        operator.LinearOperatorLowRankUpdate(
          operator.LinearOperatorScaledIdentity(
            self.width, tf.constant(root_floor), is_positive_definite=True
          ),
          basis,
          tf.constant(_nonzero(np.sqrt(base.eigenvalues) - root_floor)),
          is_non_singular=True,
        ),
        operator.LinearOperatorLowRankUpdate(
          operator.LinearOperatorIdentity(self.width, dtype=tf.float64),
          axes,
          tf.constant(_nonzero(np.sqrt(values) - 1)),
          is_non_singular=True,
        ),
      ],
      is_non_singular=True,
    )
    distributions = tfp.distributions
    return distributions.MixtureSameFamily(
      distributions.Categorical(logits=tf.constant(np.log(self.weights))),
      distributions.MultivariateNormalLinearOperator(loc=tf.constant(self.locations), scale=scale),
    )

  def log_prob(self, features: np.ndarray[Any, Any]) -> Array:
    """ln p(f) of features [N, C], float64 [N]."""
    base, size = self.base, self.means.shape[1]
    standard = (np.asarray(features, np.float64) - base.mean) / base.scale
    turned = standard @ base.basis  # [N, r]
    outside = (standard**2).sum(1) - (turned**2).sum(1)
    trailing = (turned[:, size:] ** 2 / base.eigenvalues[size:]).sum(1)
    if len(base.eigenvalues) < self.width:
      trailing += outside / base.floor
    leading = turned[:, :size] / np.sqrt(base.eigenvalues[:size])
    log_joint = _log_joint(leading, self.weights, self.means, self.covariances)
    constant = base.log_volume + (self.width - size) * _LOG_2PI
    return np.asarray(logsumexp(log_joint, axis=1) - 0.5 * (trailing + constant))


def _sample(points: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
  """All points or, of many, some drawn at random."""
  if len(points) <= _SAMPLE:
    return points
  rows = np.random.default_rng(seed).choice(len(points), _SAMPLE, replace=False)
  return points[np.sort(rows)]


def _nonzero(update: Array) -> Array:
  """Low-rank updates of zero, which the operator divides by, moved by what nobody sees."""
  return np.where(np.abs(update) < 1e-9, 1e-9, update)


def _whiten(base: ShrunkGaussian, features: np.ndarray[Any, Any], size: int) -> Array:
  """The leading principal coordinates in units of their standard deviation, [N, p]."""
  standard = (np.asarray(features, np.float64) - base.mean) / base.scale
  return standard @ base.basis[:, :size] / np.sqrt(base.eigenvalues[:size])


def _log_joint(points: Array, weights: Array, means: Array, covariances: Array) -> Array:
  """ln pi_m N(z_n | a_m, B_m), [N, M]."""
  factors = np.linalg.cholesky(covariances)  # [M, p, p]
  whitening = np.linalg.inv(factors)  # [M, p, p]
  components, size = means.shape
  offsets = (whitening @ means[:, :, None])[..., 0]  # [M, p]
  turned = points @ whitening.reshape(-1, size).T  # [N, M p], one product for all
  residuals = turned.reshape(-1, components, size) - offsets  # [N, M, p]
  log_volume = 2 * np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(1)  # [M]
  constant = np.log(weights) - 0.5 * (log_volume + size * _LOG_2PI)
  return np.asarray(constant - 0.5 * np.einsum("nmp,nmp->nm", residuals, residuals))
