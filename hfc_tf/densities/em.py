"""Fitting one Gaussian mixture by expectation maximisation, with any model of covariance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import sklearn.mixture
from sklearn.cluster import kmeans_plusplus

from hfc_tf.densities.blocks import Blocks
from hfc_tf.densities.diagonal import DiagonalMixture
from hfc_tf.densities.expectation import expansion, maximise
from hfc_tf.densities.gaussian import ShrunkGaussian
from hfc_tf.densities.mixture import GaussianMixture
from hfc_tf.densities.problem import Fit, Problem
from hfc_tf.errors import InputError

Mixture = DiagonalMixture | GaussianMixture

COVARIANCES = ("low_rank", "diag", "full")
_AT_ONCE = 3
# Up to such an `_offset`, differences of moments and of quadratic forms keep their digits.
_DIGITS = {"float32": 1e7, "float64": 1e10}


def fit_each(fit: Callable[[Any], Any], jobs: Iterable[Any]) -> Iterator[Any]:
  """`fit` of every job, in order, some at once: the small operations of one fit leave cores idle.

  What each finds does not depend on the others, to the last bit.
  """
  with ThreadPoolExecutor(_AT_ONCE) as pool:
    yield from pool.map(fit, jobs)


def fit_mixtures(
  features: Any,
  components: int,
  covariance: str = "low_rank",
  *,
  means_init: Any = None,
  weights_init: Any = None,
  subspace: int = 32,
  restarts: int = 1,
  tolerance: float = 1e-3,
  iterations: int = 100,
  regularisation: float = 1e-6,
  seed: int = 0,
  least: Any = 0.0,
) -> Mixture:
  """Fits p(f) = sum_m pi_m N(f | mu_m, S_m) to features   (TMI Eq. 14).

  "diag" and "full" are the models of scikit-learn's GaussianMixture: with the same start
  (`means_init`, `weights_init`, `precisions_init` of 1 / regularisation) and float64 features
  they take the same steps and stop at the same one. With float32 features, and a tolerance of
  at least 1e-4, the responsibilities are float32 and nothing else is.

  Args:
    features: [N, C]: an array, an np.memmap, or a list of such, none of which need fit in memory.
    components: M.
    covariance: "low_rank" (see GaussianMixture), "diag" or "full".
    means_init: [M, C], where EM starts; k-means++ if None ("diag" and "full").
    weights_init: [M]; all alike if None ("diag" and "full").
    subspace: leading principal directions in which components of "low_rank" differ.
    restarts: from how many starts; the likeliest result counts.
    tolerance: EM stops when the log-likelihood a sample changes less.
    iterations: at the most.
    regularisation: added to every variance ("diag" and "full"), in squared units of features.
    seed: of the k-means++ starts.
    least: the smallest deviation that a channel may have, [C] ("low_rank").

  Raises:
    InputError: for an unknown model, too few features, or some that are not finite.
  """
  if covariance not in COVARIANCES:
    raise InputError(f"covariance among {', '.join(COVARIANCES)}", repr(covariance), "name one")
  if not regularisation > 0:
    raise InputError("regularisation > 0", f"{regularisation}", "leave it at 1e-6")

  def fit(number: int) -> Mixture:
    if covariance == "low_rank":
      return GaussianMixture.fit(
        features,
        components,
        subspace=subspace,
        tolerance=tolerance,
        iterations=iterations,
        seed=seed + number,
        least=least,
      )
    return _fit(
      features,
      components,
      covariance == "full",
      means_init,
      weights_init,
      tolerance,
      iterations,
      regularisation,
      seed + number,
    )

  fits = [fit(number) for number in range(restarts if means_init is None else 1)]
  return max(fits, key=lambda mixture: mixture.history[-1])


def _fit(
  features: Any,
  components: int,
  full: bool,
  means: Any,
  weights: Any,
  tolerance: float,
  iterations: int,
  regularisation: float,
  seed: int,
) -> Mixture:
  blocks = Blocks(features)
  blocks = Blocks(features, expansion(blocks.width, full))
  blocks.check(components, seed)
  # Products of small numbers keep their digits: any shift and scale do, if float32 holds them.
  first = next(iter(blocks))[:256]
  shift = first.mean(0, dtype=np.float32).astype(np.float64)
  scale = first.std(0, dtype=np.float32).astype(np.float64)
  scale[scale == 0] = 1.0
  if means is None:
    means, _ = kmeans_plusplus(blocks.sample(seed), components, random_state=seed)
  if weights is None:
    weights = np.full(components, 1 / components)
  ridge = regularisation / scale**2
  fit = maximise(
    blocks,
    full,
    Problem(
      weights, (means - shift) / scale, ridge, ridge, 0.0, tolerance, iterations, shift, scale
    ),
  )
  if not _offset(fit, full) < _DIGITS[blocks.dtype.name]:
    fit = _fit_centred(blocks, full, means, weights, tolerance, iterations, regularisation)
    shift, scale = np.zeros_like(shift), np.ones_like(scale)
  history = tuple(value - float(np.log(scale).sum()) for value in fit.history)
  means = fit.means * scale + shift
  if not full:
    return DiagonalMixture(fit.weights, means, fit.covariances * scale**2, history, fit.converged)
  covariances = fit.covariances * scale[:, None] * scale
  width = len(scale)
  plain = ShrunkGaussian(np.zeros(width), np.ones(width), np.eye(width), np.ones(width), 1.0)
  return GaussianMixture(plain, fit.weights, means, covariances, history, fit.converged)


def _offset(fit: Fit, full: bool) -> float:
  """The largest mu_m^T S_m^-1 mu_m; NaN where EM lost its way."""
  if not np.isfinite(fit.covariances).all():
    return float("nan")
  means = fit.means[:, :, None]
  solved = np.linalg.solve(fit.covariances, means) if full else means / fit.covariances[:, :, None]
  return float(np.abs(means * solved).sum(1).max())


def _fit_centred(
  blocks: Blocks,
  full: bool,
  means: Any,
  weights: Any,
  tolerance: float,
  iterations: int,
  regularisation: float,
) -> Fit:
  """The same steps by scikit-learn, whose sums are centred: for rows far away from all others."""
  many, width = means.shape
  precisions = np.full((many, width), 1 / regularisation)
  mixture = sklearn.mixture.GaussianMixture(
    many,
    covariance_type="full" if full else "diag",
    tol=tolerance,
    reg_covar=regularisation,
    max_iter=iterations,
    weights_init=weights,
    means_init=np.asarray(means, np.float64),
    precisions_init=precisions[:, :, None] * np.eye(width) if full else precisions,
    random_state=0,
  )
  try:
    mixture.fit(np.concatenate(list(blocks)).astype(np.float64))
  except ValueError as error:
    raise InputError("features that EM can follow", str(error), "raise regularisation") from error
  past = tuple(map(float, mixture.lower_bounds_))
  return Fit(mixture.weights_, mixture.means_, mixture.covariances_, past, mixture.converged_)
