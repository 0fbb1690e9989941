"""Gaussian components as an exponential family: what EM sums, and what it solves from the sums.

Every covariance model writes ln pi_m N(z | mu_m, S_m) = <theta_m, (1, phi(z))>, so that the E-step
is a product of matrices and the M-step needs nothing but the moments sum_n r_nm (1, phi(z_n)).
Points are [n, C]; theta and moments [k, F] float64, F = 1 + C + C (diagonal) or 1 + C + C^2 (full).
"""

from __future__ import annotations

import functools
import math
from typing import Any

import tensorflow as tf

Tensor = Any

_LOG_2PI = math.log(2 * math.pi)
_NEGLIGIBLE = 1e-12  # a responsibility that moves no float64 moment
_SPARSE = 16  # so many responsibilities cost a product of matrices what one costs a sparse product


class Diagonal:
  """S_m = diag(v_m): phi(z) = (z, z^2)."""

  def expand(self, points: Tensor) -> Tensor:
    """What the E-step multiplies, computed once: phi, [n, 2 C]."""
    return tf.concat([points, points**2], 1)

  def log_joint(self, expanded: Tensor, natural: tuple[Tensor, ...]) -> Tensor:
    """ln pi_m N(z_n | mu_m, S_m), [n, k], in the precision of the points."""
    theta = tf.cast(natural[0], expanded.dtype)
    return tf.matmul(expanded, theta[:, 1:], transpose_b=True) + theta[:, 0]

  def moments(self, points: Tensor, shares: Tensor) -> Tensor:
    """sum_n shares_nk (1, phi(z_n)), [k, F], for shares [n, k]; most may be 0."""
    cells = tf.where(tf.abs(shares) > _NEGLIGIBLE)  # [c, 2]

    def some() -> list[Tensor]:
      sparse = tf.SparseTensor(cells, tf.gather_nd(shares, cells), tf.shape(shares, tf.int64))
      multiply = functools.partial(tf.sparse.sparse_dense_matmul, sparse, adjoint_a=True)
      return [multiply(points), multiply(points**2)]

    def every() -> list[Tensor]:
      multiply = functools.partial(tf.matmul, shares, transpose_a=True)
      return [multiply(points), multiply(points**2)]

    few = _SPARSE * tf.shape(cells)[0] < tf.size(shares)
    return tf.concat([tf.reduce_sum(shares, 0)[:, None], *tf.cond(few, some, every)], 1)

  def solve(self, moments: Tensor, ridge: Tensor, prior: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Shares [k], means [k, C] and variances [k, C] at the maximum.

    Args:
      moments: [k, F].
      ridge: [C], added to the variances, as scikit-learn's reg_covar.
      prior: pseudo-points of unit covariance a component, of full covariances only.
    """
    shares, means, second = _split(moments, tf.shape(ridge)[0])
    return shares, means, second / shares[:, None] - means**2 + ridge

  def start(self, log_weights: Tensor, means: Tensor, spread: Tensor) -> tuple[Tensor, ...]:
    """`natural` of components with the same variances [C]."""
    return self.natural(log_weights, means, tf.tile(spread[None], [tf.shape(means)[0], 1]))

  def first(self, points: Tensor, expanded: Tensor, start: tuple[Tensor, ...]) -> Tensor:
    """ln pi_m N(z_n | mu_m, S_m) of the start, [n, M]."""
    return self.log_joint(expanded, start)

  def natural(self, log_weights: Tensor, means: Tensor, variances: Tensor) -> tuple[Tensor, ...]:
    """theta [k, F], and last the logarithms of the weights [k]."""
    constants = log_weights - 0.5 * tf.reduce_sum(
      _LOG_2PI + tf.math.log(variances) + means**2 / variances, 1
    )
    theta = tf.concat([constants[:, None], means / variances, -0.5 / variances], 1)
    return theta, log_weights

  def log_prior(self, natural: tuple[Tensor, ...], prior: Tensor) -> Tensor:
    """What the prior adds to the log-likelihood; diagonal covariances have none."""
    return tf.zeros_like(prior)


class Full(Diagonal):
  """Any S_m, many channels: each component whitens the points in turn."""

  def expand(self, points: Tensor) -> Tensor:
    """The points, channels first: [C, n]."""
    return tf.transpose(points)

  def log_joint(self, expanded: Tensor, natural: tuple[Tensor, ...]) -> Tensor:
    """ln pi_m N(z_n | mu_m, S_m), [n, k], in the precision of the points."""

    def one(parts: tuple[Tensor, Tensor, Tensor]) -> Tensor:
      whitening, offset, constant = parts
      residuals = tf.matmul(whitening, expanded) - offset[:, None]  # [C, n]
      return constant - 0.5 * tf.reduce_sum(residuals**2, 0)

    _, whitening, offsets, log_weights = natural
    constants = log_weights + _log_volume(whitening)
    columns = tf.map_fn(
      one,
      tuple(tf.cast(part, expanded.dtype) for part in (whitening, offsets, constants)),
      fn_output_signature=expanded.dtype,
      parallel_iterations=1,
    )
    return tf.transpose(columns)

  def moments(self, points: Tensor, shares: Tensor) -> Tensor:
    """sum_n shares_nk (1, z_n, z_n z_n^T), [k, F]; only points with a share count."""

    def one(share: Tensor) -> Tensor:
      rows = tf.where(tf.abs(share) > _NEGLIGIBLE)[:, 0]
      some, weights = tf.gather(points, rows), tf.gather(share, rows)
      weighted = some * weights[:, None]
      second = tf.matmul(weighted, some, transpose_a=True)  # [C, C]
      first = tf.reduce_sum(weighted, 0)
      return tf.concat([tf.reduce_sum(weights)[None], first, tf.reshape(second, [-1])], 0)

    return tf.map_fn(one, tf.transpose(shares), parallel_iterations=1)

  def solve(self, moments: Tensor, ridge: Tensor, prior: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Shares [k], means [k, C] and covariances [k, C, C]; see `Diagonal.solve`."""
    width = tf.shape(ridge)[0]
    shares, means, second = _split(moments, width)
    second = tf.reshape(second, [-1, width, width])
    scatter = second - shares[:, None, None] * means[:, :, None] * means[:, None]
    pseudo = prior * tf.eye(width, dtype=tf.float64)
    covariances = (scatter + pseudo) / (shares + prior)[:, None, None]
    return shares, means, covariances + tf.linalg.diag(ridge)

  def start(self, log_weights: Tensor, means: Tensor, spread: Tensor) -> tuple[Tensor, ...]:
    """`natural` of components with the same variances [C]."""
    whitening = tf.tile(tf.linalg.diag(tf.math.rsqrt(spread))[None], [tf.shape(means)[0], 1, 1])
    return self._natural(log_weights, means, whitening, whitening**2)

  def first(self, points: Tensor, expanded: Tensor, start: tuple[Tensor, ...]) -> Tensor:
    """ln pi_m N(z_n | mu_m, S_m) of the start, whose covariances are diagonal, [n, M]."""
    theta, width = start[0], tf.shape(points)[1]
    squares = theta[:, 1 + width :: width + 1]  # the diagonals of [M, C, C]
    simple, packed = Diagonal(), tf.concat([theta[:, : 1 + width], squares], 1)
    return simple.log_joint(simple.expand(points), (packed,))

  def natural(self, log_weights: Tensor, means: Tensor, covariances: Tensor) -> tuple[Tensor, ...]:
    """theta [k, F]; whitening [k, C, C] and offsets [k, C]; last ln pi [k]."""
    eye = tf.eye(tf.shape(means)[1], batch_shape=tf.shape(means)[:1], dtype=tf.float64)
    whitening = tf.linalg.triangular_solve(tf.linalg.cholesky(covariances), eye)
    precisions = tf.matmul(whitening, whitening, transpose_a=True)
    return self._natural(log_weights, means, whitening, precisions)

  def _natural(
    self, log_weights: Tensor, means: Tensor, whitening: Tensor, precisions: Tensor
  ) -> tuple[Tensor, ...]:
    offsets = tf.linalg.matvec(whitening, means)
    constants = log_weights + _log_volume(whitening) - 0.5 * tf.reduce_sum(offsets**2, 1)
    flat = tf.reshape(precisions, [tf.shape(means)[0], -1])
    linear = tf.linalg.matvec(precisions, means)
    return tf.concat([constants[:, None], linear, -0.5 * flat], 1), whitening, offsets, log_weights

  def log_prior(self, natural: tuple[Tensor, ...], prior: Tensor) -> Tensor:
    """What the prior adds to the log-likelihood: inverse Wishart on S, Dirichlet on pi."""

    def penalty() -> Tensor:
      whitening, log_weights = natural[1], natural[-1]
      log_scales = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(whitening)), 1)
      own = log_scales - 0.5 * tf.reduce_sum(whitening**2, [1, 2])
      return tf.reduce_sum(prior * own + log_weights)

    return tf.cond(prior > 0, penalty, lambda: tf.zeros_like(prior))


class Quadratic(Full):
  """Any S_m, few channels: phi(z) = (z, z_i z_j), one product for all components."""

  def expand(self, points: Tensor) -> Tensor:
    """(z, z_i z_j with i <= j), [n, C + C (C + 1) / 2]."""
    return tf.transpose(tf.concat([tf.transpose(points), _products(points)], 0))

  def log_joint(self, expanded: Tensor, natural: tuple[Tensor, ...]) -> Tensor:
    """ln pi_m N(z_n | mu_m, S_m), [n, k], in the precision of the points."""
    theta, width = natural[0], tf.shape(natural[2])[1]
    rows, columns = _pairs(width)
    twice = 2 - tf.cast(rows == columns, tf.float64)
    pairs = tf.gather(theta[:, 1 + width :], rows * width + columns, axis=1) * twice
    packed = tf.concat([theta[:, : 1 + width], pairs], 1)
    return super(Full, self).log_joint(expanded, (packed,))

  def moments(self, points: Tensor, shares: Tensor) -> Tensor:
    """sum_n shares_nk (1, z_n, z_n z_n^T), [k, F]."""
    width = tf.shape(points)[1]
    first = tf.matmul(shares, points, transpose_a=True)
    packed = tf.matmul(shares, _products(points), transpose_a=True, transpose_b=True)
    order = tf.range(width)
    low, high = tf.minimum(order[:, None], order), tf.maximum(order[:, None], order)
    places = low * width - low * (low - 1) // 2 + high - low  # [C, C], where pair (i, j) lies
    second = tf.gather(packed, tf.reshape(places, [-1]), axis=1)
    return tf.concat([tf.reduce_sum(shares, 0)[:, None], first, second], 1)


def _pairs(width: Tensor) -> tuple[Tensor, Tensor]:
  """All i <= j, row by row."""
  order = tf.range(width)
  pairs = tf.cast(tf.where(order[:, None] <= order), tf.int32)
  return pairs[:, 0], pairs[:, 1]


def _products(points: Tensor) -> Tensor:
  """z_i z_j with i <= j, [C (C + 1) / 2, n]."""
  channels = tf.transpose(points)  # [C, n]
  rows, columns = _pairs(tf.shape(points)[1])
  return tf.gather(channels, rows) * tf.gather(channels, columns)


def _log_volume(whitening: Tensor) -> Tensor:
  """-ln |2 pi S_m| / 2, [k]."""
  return tf.reduce_sum(tf.math.log(tf.linalg.diag_part(whitening)) - 0.5 * _LOG_2PI, 1)


def _split(moments: Tensor, width: Tensor) -> tuple[Tensor, Tensor, Tensor]:
  shares = moments[:, 0] + 10 * 2.0**-52  # of a component that lost every point
  return shares, moments[:, 1 : 1 + width] / shares[:, None], moments[:, 1 + width :]
