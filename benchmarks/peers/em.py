"""EM on every tap: this library's and scikit-learn's, and models of covariance side by side."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from hfc_tf.densities.em import fit_each, fit_mixtures

Array = np.ndarray[Any, Any]
_NARROW = 256  # channels of the widest tap that full covariances are fitted to
_TOLERANCE, _ITERATIONS, _FLOOR = 1e-3, 100, 1e-6
_HELD_OUT = 5  # every fifth image


class Mixtures:
  """One mixture a tap.

  Args:
    job: "features" is an npz file, name -> float32 [N, C_l]; "components"; "covariance" is
      "low_rank", "diag" or "full"; "fit" is "own" or "sklearn", of one class from the same starts,
      or "density", of all classes in "class_features" as a density is fitted.
  """

  def __init__(self, job: dict[str, Any]) -> None:
    self._fit = _FITS[job["fit"]]
    # This library fits several taps at once, as a density does; scikit-learn one with all cores,
    # as its users have it: several at once take it twice as long.
    self._each: Any = map if job["fit"] == "sklearn" else fit_each
    self._covariance = job["covariance"]
    self._taps: list[tuple[Array, Array, Array]] = []  # Train, held out, starting means
    rng = np.random.default_rng(0)
    path = job["class_features" if job["fit"] == "density" else "features"]
    with np.load(path, allow_pickle=False) as features:
      for values in features.values():
        if self._covariance == "full" and values.shape[1] > _NARROW:
          continue
        held_out = np.arange(len(values)) % _HELD_OUT == 0
        train = values[~held_out]
        starts = train[rng.choice(len(train), job["components"], replace=False)]
        self._taps.append((train, values[held_out], starts))

  def check(self) -> dict[str, Array]:
    """The first fit, which compiles what there is to compile."""
    train, _, starts = self._taps[0]
    self._fit(train, starts, self._covariance)
    return {}

  def run(self, steps: int) -> dict[str, float]:
    """Of all fits: seconds, iterations, and held-out log-likelihoods an image, each summed.

    The log-likelihoods are summed once more over the taps that full covariances are fitted to.
    """
    total = dict.fromkeys(("iterations", "log_likelihood", "log_likelihood_narrow"), 0.0)
    begun = time.perf_counter()
    fits = list(self._each(lambda tap: self._fit(tap[0], tap[2], self._covariance), self._taps))
    total["seconds"] = time.perf_counter() - begun
    for (train, held_out, _), fitted in zip(self._taps, fits, strict=True):
      total["iterations"] += fitted.iterations
      likelihood = float(np.mean(fitted.log_prob(held_out.astype(np.float64))))
      total["log_likelihood"] += likelihood
      total["log_likelihood_narrow"] += likelihood * (train.shape[1] <= _NARROW)
    return total


class Fitted(NamedTuple):
  """A mixture: how often EM evaluated the likelihood, and ln p of features [N, C]."""

  iterations: int
  log_prob: Callable[[Array], Array]


def fit_own(train: Array, starts: Array, covariance: str) -> Fitted:
  """This library's fit, from narrow components of equal weight at `starts` [M, C]."""
  mixture = fit_mixtures(
    train,
    len(starts),
    covariance,
    means_init=starts,
    tolerance=_TOLERANCE,
    iterations=_ITERATIONS,
    regularisation=_FLOOR,
  )
  return Fitted(len(mixture.history), mixture.log_prob)


def fit_density(train: Array, starts: Array, covariance: str) -> Fitted:
  """This library's fit as a density has it: as many components, from k-means++ starts."""
  mixture = fit_mixtures(train, len(starts), covariance)
  return Fitted(len(mixture.history), mixture.log_prob)


def fit_sklearn(train: Array, starts: Array, covariance: str) -> Fitted:
  """scikit-learn's fit of the same model from the same start.

  In float64, which costs it no time: in float32 its full covariances end elsewhere.
  """
  count, width = starts.shape
  precisions = {"diag": np.ones((count, width)), "full": np.tile(np.eye(width), (count, 1, 1))}
  mixture = GaussianMixture(
    count,
    covariance_type=covariance,
    tol=_TOLERANCE,
    reg_covar=_FLOOR,
    max_iter=_ITERATIONS,
    weights_init=np.full(count, 1 / count),
    means_init=starts.astype(np.float64),
    precisions_init=precisions[covariance] / _FLOOR,
  )
  with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # it may use up its iterations
    mixture.fit(train.astype(np.float64))
  return Fitted(mixture.n_iter_, mixture.score_samples)


_FITS = {"own": fit_own, "sklearn": fit_sklearn, "density": fit_density}


def start(job: dict[str, Any]) -> Mixtures:
  """The fits of a job."""
  return Mixtures(job)
