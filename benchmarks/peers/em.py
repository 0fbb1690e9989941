"""Gaussian mixtures of every tap and class: this library's low rank beside scikit-learn's EM."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as ScikitLearn

from hfc_tf.densities import GaussianMixture

Array = np.ndarray[Any, Any]
_NARROW = 256  # channels of the widest tap that full covariances are fitted to
_HELD_OUT = 5  # every fifth image


class Mixtures:
  """One mixture a tap and class.

  Args:
    job: "class_features" is an npz file, name -> float32 [N, C_l]; "components"; "covariance" is
      "low_rank", which this library fits, or "diag" or "full", which scikit-learn does.
  """

  def __init__(self, job: dict[str, Any]) -> None:
    self._components = job["components"]
    self._covariance = job["covariance"]
    # This library fits several taps at once, as a density does; scikit-learn one with all cores,
    # as its users have it: several at once take it twice as long.
    several: Any = ThreadPoolExecutor(3).map
    self._each: Any = several if self._covariance == "low_rank" else map
    self._taps: list[tuple[Array, Array]] = []  # Train, held out
    with np.load(job["class_features"], allow_pickle=False) as features:
      for values in features.values():
        if self._covariance != "full" or values.shape[1] <= _NARROW:
          held_out = np.arange(len(values)) % _HELD_OUT == 0
          self._taps.append((values[~held_out], values[held_out]))

  def check(self) -> dict[str, Array]:
    """The first fit, which compiles what there is to compile."""
    self._fit(self._taps[0])
    return {}

  def run(self, steps: int) -> dict[str, float]:
    """Of all fits: seconds, iterations, and held-out log-likelihoods an image, each summed.

    Seconds and log-likelihoods are also those of the taps that full covariances are fitted to.
    """
    total = dict.fromkeys(("seconds", "iterations", "log_likelihood"), 0.0)
    for narrow in (True, False):
      taps = [tap for tap in self._taps if (tap[0].shape[1] <= _NARROW) == narrow]
      begun = time.perf_counter()
      fits = list(self._each(self._fit, taps))
      total["seconds"] += time.perf_counter() - begun
      for (_, held_out), fitted in zip(taps, fits, strict=True):
        total["iterations"] += fitted.iterations
        total["log_likelihood"] += float(np.mean(fitted.log_prob(held_out.astype(np.float64))))
      if narrow:
        total |= {f"{key}_narrow": total[key] for key in ("seconds", "log_likelihood")}
    return total

  def _fit(self, tap: tuple[Array, Array]) -> Fitted:
    if self._covariance == "low_rank":
      mixture = GaussianMixture.fit(tap[0], self._components)
      return Fitted(len(mixture.history), mixture.log_prob)
    return fit_sklearn(tap[0], self._components, self._covariance)


class Fitted(NamedTuple):
  """A mixture: how often EM evaluated the likelihood, and ln p of features [N, C]."""

  iterations: int
  log_prob: Callable[[Array], Array]


def fit_sklearn(train: Array, components: int, covariance: str) -> Fitted:
  """scikit-learn's fit from a k-means++ start, as the low rank's.

  In float64, which costs it no time: in float32 its full covariances end elsewhere.
  """
  mixture = ScikitLearn(
    components, covariance_type=covariance, init_params="k-means++", random_state=0
  )
  with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)  # it may use up its iterations
    mixture.fit(train.astype(np.float64))
  return Fitted(mixture.n_iter_, mixture.score_samples)


def start(job: dict[str, Any]) -> Mixtures:
  """The fits of a job."""
  return Mixtures(job)
