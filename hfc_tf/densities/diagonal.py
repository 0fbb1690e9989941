"""A mixture of Gaussians with diagonal covariances."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from scipy.special import logsumexp

from hfc_tf.densities.gaussian import Array


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class DiagonalMixture:
  """p(f) = sum_m pi_m N(f | mu_m, diag(v_m))   (TMI Eq. 14, channels independent in a component).

  Attributes:
    weights: pi [M]. means: mu [M, C]. covariances: v [M, C].
    history: log-likelihood a sample, one value an iteration, the start's first.
    converged: whether the last gain was below the tolerance.
  """

  weights: Array
  means: Array
  covariances: Array
  history: tuple[float, ...] = ()
  converged: bool = True

  def __repr__(self) -> str:
    return f"{type(self).__name__}(components={self.components}, channels={self.width})"

  @property
  def components(self) -> int:
    """M."""
    return len(self.weights)

  @property
  def width(self) -> int:
    """C."""
    return int(self.means.shape[1])

  @property
  def locations(self) -> Array:
    """mu_m of every component, [M, C]."""
    return self.means

  @functools.cached_property
  def distribution(self) -> Any:
    """The same density as a float64 tfp MixtureSameFamily over vectors [C]."""
    distributions = tfp.distributions
    return distributions.MixtureSameFamily(
      distributions.Categorical(logits=tf.constant(np.log(self.weights))),
      distributions.MultivariateNormalDiag(
        tf.constant(self.means), tf.constant(np.sqrt(self.covariances))
      ),
    )

  def log_prob(self, features: np.ndarray[Any, Any]) -> Array:
    """ln p(f) of features [N, C], float64 [N]."""
    points = np.asarray(features, np.float64)
    volumes = np.log(2 * np.pi * self.covariances).sum(1)
    forms = [
      ((points - mean) ** 2) @ (1 / variances)
      for mean, variances in zip(self.means, self.covariances, strict=True)
    ]
    log_joint = np.log(self.weights) - 0.5 * (volumes + np.stack(forms, 1))  # [N, M]
    return np.asarray(logsumexp(log_joint, axis=1))
