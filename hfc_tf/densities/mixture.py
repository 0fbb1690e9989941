"""Gaussian mixtures fitted by EM, well posed at any width and flat in memory."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import sklearn.mixture
import tensorflow as tf
from sklearn.cluster import kmeans_plusplus

from hfc_tf.densities.blocks import Array, Blocks
from hfc_tf.densities.energy import log_prob_tensor, packed
from hfc_tf.densities.expectation import maximise
from hfc_tf.densities.gaussian import ShrunkGaussian
from hfc_tf.errors import InputError

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
  """

  base: ShrunkGaussian
  weights: Array  # pi [M]
  means: Array  # a [M, p]
  covariances: Array  # B [M, p, p]
  # (Penalised) log-likelihoods a sample, the start's first; of scikit-learn's fits the last alone.
  history: tuple[float, ...] = ()
  converged: bool = True  # whether the last gain was below the tolerance

  @classmethod
  def fit(
    cls,
    features: Any,
    components: int,
    *,
    covariance: str = "low_rank",
    subspace: int = 32,
    iterations: int = 100,
    tolerance: float = 1e-3,
    seed: int = 0,
    least: Any = 0.0,
  ) -> GaussianMixture:
    """Fits M components to features [N, C], an array, an np.memmap or Blocks, by EM.

    Args:
      features: of a class.
      components: M.
      covariance: "low_rank", as above, from a k-means++ start; or "full", scikit-learn's
        GaussianMixture of (f - mean) / deviation in float64, for few channels.
      subspace: p, leading principal directions in which components of "low_rank" differ.
      iterations: at the most. seed: of the start.
      tolerance: EM stops when the (penalised) log-likelihood a sample gains less.
      least: the smallest deviation that a channel may have, [C].

    Raises:
      InputError: for another covariance, fewer images than components or features that are not
        finite.
    """
    check_covariance(covariance)
    blocks = Blocks(features)
    blocks.check(components, seed)
    if covariance == "full":
      values = np.concatenate(list(blocks)).astype(np.float64)
      mean, scale, one = values.mean(0), blocks.scale(least)[1], np.ones(blocks.width)
      mixture = sklearn.mixture.GaussianMixture(
        components, tol=tolerance, max_iter=iterations, random_state=seed
      )
      try:
        mixture.fit((values - mean) / scale)
      except ValueError as error:
        raise InputError("features that EM can follow", str(error), "lower --components") from error
      base = ShrunkGaussian(mean, scale, np.diag(one), one, 1.0)
      history = (float(mixture.lower_bound_ - np.log(scale).sum()),)
      parameters = mixture.weights_, mixture.means_, mixture.covariances_
      return cls(base, *parameters, history, mixture.converged_)
    base = ShrunkGaussian.fit(blocks, least)
    size = min(subspace, len(base.eigenvalues))
    axes, units = base.basis[:, :size], np.sqrt(base.eigenvalues[:size])
    leading = np.concatenate(
      [((block - base.mean) / base.scale @ axes / units).astype(blocks.dtype) for block in blocks]
    )  # [N, p], of unit variance
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

    base, size = self.base, self.means.shape[1]
    values, vectors = np.linalg.eigh(self.covariances)  # [M, p], [M, p, p]
    axes = base.basis[:, :size] @ vectors  # [M, C, p]
    root = np.sqrt(base.floor)
    identity = tf.linalg.LinearOperatorIdentity(self.width, dtype=tf.float64)
    floor = tf.linalg.LinearOperatorScaledIdentity(self.width, tf.constant(root))
    scale = tf.linalg.LinearOperatorComposition(
      [
        tf.linalg.LinearOperatorDiag(tf.constant(base.scale), is_non_singular=True),
        _updated(floor, base.basis, np.sqrt(base.eigenvalues) - root),
        _updated(identity, axes, np.sqrt(values) - 1),
      ],
      is_non_singular=True,
    )
    return tfp.distributions.MixtureSameFamily(
      tfp.distributions.Categorical(logits=tf.constant(np.log(self.weights))),
      tfp.distributions.MultivariateNormalLinearOperator(tf.constant(self.locations), scale),
    )

  def log_prob(self, features: np.ndarray[Any, Any]) -> Array:
    """ln p(f) of features [N, C], float64 [N]."""
    arrays = {key: tf.constant(value, tf.float64) for key, value in packed(self).items()}
    return np.asarray(log_prob_tensor(arrays, tf.constant(features, tf.float64)))


def check_covariance(covariance: str) -> None:
  """Raises unless it is a kind of covariance that components may have."""
  if covariance not in ("low_rank", "full"):
    raise InputError("covariance among low_rank, full", repr(covariance), "name one")


def _sample(points: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
  """All points or, of many, some drawn at random."""
  if len(points) <= _SAMPLE:
    return points
  rows = np.random.default_rng(seed).choice(len(points), _SAMPLE, replace=False)
  return points[np.sort(rows)]


def _updated(operator: Any, axes: Array, update: Array) -> Any:
  """operator + axes diag(update) axes^T; updates of zero, which it divides by, moved unseen."""
  moved = np.where(np.abs(update) < 1e-9, 1e-9, update)
  return tf.linalg.LinearOperatorLowRankUpdate(
    operator, tf.constant(axes), tf.constant(moved), is_non_singular=True
  )
