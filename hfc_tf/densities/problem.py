"""What EM is asked and what it answers."""

from __future__ import annotations

from typing import Any, NamedTuple

from hfc_tf.densities.gaussian import Array


class Fit(NamedTuple):
  """What EM found.

  Attributes:
    weights: pi [M]. means: [M, C]. covariances: [M, C] (diagonal) or [M, C, C].
    history: (penalised) log-likelihood a point, one value an iteration, the start's first.
    converged: whether the last change was below the tolerance.
  """

  weights: Array
  means: Array
  covariances: Array
  history: tuple[float, ...]
  converged: bool


class Problem(NamedTuple):
  """What EM is asked, float64 unless said.

  Attributes:
    weights: [M], where EM starts. means: [M, C].
    spread: [C], the variances of every component at the start.
    ridge: [C], added to variances in every M-step (scikit-learn's reg_covar).
    prior: pseudo-points of unit covariance a component; with them one pseudo-count a weight.
    tolerance: EM stops when the log-likelihood a point changes less.
    iterations: at the most.
    shift: [C]; scale: [C]: points are (features - shift) / scale; all else is of points.
  """

  weights: Any
  means: Any
  spread: Any
  ridge: Any
  prior: Any
  tolerance: Any
  iterations: Any
  shift: Any
  scale: Any
