"""Fits of Gaussian mixtures: several at once, and scikit-learn's with full covariances."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import sklearn.mixture

from hfc_tf.densities.blocks import Blocks
from hfc_tf.densities.gaussian import ShrunkGaussian
from hfc_tf.densities.mixture import GaussianMixture
from hfc_tf.errors import InputError

_AT_ONCE = 3
_RIDGE = 1e-6  # scikit-learn's reg_covar


def fit_each(fit: Callable[[Any], Any], jobs: Iterable[Any]) -> Iterator[Any]:
  """`fit` of every job, in order, some at once: the small operations of one fit leave cores idle.

  No result depends on the others, to the last bit.
  """
  with ThreadPoolExecutor(_AT_ONCE) as pool:
    yield from pool.map(fit, jobs)


def fit_mixtures(
  features: Any,
  components: int,
  covariance: str = "full",
  *,
  means_init: Any = None,
  scale: Any = 1.0,
  tolerance: float = 1e-3,
  iterations: int = 100,
  seed: int = 0,
) -> GaussianMixture:
  """scikit-learn's GaussianMixture of (f - mean) / scale in float64, with dense covariances.

      p(f) = sum_m pi_m N(f | mu_m, S_m)   (TMI Eq. 14)

  Args:
    features: [N, C]: an array, an np.memmap or Blocks; of few channels.
    components: M.
    covariance: scikit-learn's `covariance_type`, "full" or "diag".
    means_init: [M, C], where EM starts with each image in the component of the nearest; k-means if
      None.
    scale: [C], units of the channels; 1e-6 of their squares is added to the variances.
    tolerance: EM stops when the log-likelihood a sample changes less.
    iterations: at the most.
    seed: of the k-means.

  Raises:
    InputError: for another covariance, too few features, or some that are not finite.
  """
  if covariance not in ("full", "diag"):
    raise InputError("covariance full or diag", repr(covariance), "name one")
  blocks = Blocks(features)
  blocks.check(components, seed)
  values = np.concatenate(list(blocks)).astype(np.float64)
  mean, one = values.mean(0), np.ones(blocks.width)
  start = {}
  if means_init is not None:
    narrow = np.tile(one / _RIDGE, (components, 1))
    start = {
      "means_init": (means_init - mean) / scale,
      "weights_init": np.full(components, 1 / components),
      "precisions_init": narrow if covariance == "diag" else narrow[:, :, None] * np.diag(one),
    }
  fitted = sklearn.mixture.GaussianMixture(
    components,
    covariance_type=covariance,
    tol=tolerance,
    reg_covar=_RIDGE,
    max_iter=iterations,
    random_state=seed,
    **start,
  )
  try:
    fitted.fit((values - mean) / scale)
  except ValueError as error:
    raise InputError("features that EM can follow", str(error), "lower --components") from error
  dense = (
    fitted.covariances_ if covariance == "full" else fitted.covariances_[:, None] * np.diag(one)
  )
  base = ShrunkGaussian(mean, scale * one, np.diag(one), one, 1.0)
  history = (float(fitted.lower_bound_ - np.log(scale * one).sum()),)
  return GaussianMixture(base, fitted.weights_, fitted.means_, dense, history, fitted.converged_)
