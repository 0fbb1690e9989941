"""Expectation maximisation that only does again what has changed."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from hfc_tf.densities.blocks import Array

Tensor = Any
# Of k components: what phi(z) is multiplied with, [k, F]; B^-1/2, [k, p, p]; ln pi, [k].
_Natural = tuple[Tensor, Tensor, Tensor]
_Parameters = tuple[Tensor, Tensor, Tensor]  # ln pi [k], means [k, p], covariances [k, p, p]

_LOG_2PI = math.log(2 * math.pi)
_NARROW = 1e-6  # variance of components at the start: each point belongs to its nearest centre
_CHUNK = 2**24  # products of coordinates that are float64 at a time
_COARSE = 1e-4  # a tolerance that float32 responsibilities are good for
_EMPTY = 10 * 2.0**-52  # points of a component that lost every point


class Fit(NamedTuple):
  """What EM ends with."""

  weights: Array  # pi [M]
  means: Array  # a [M, p]
  covariances: Array  # B [M, p, p]
  history: tuple[float, ...]  # penalised log-likelihoods a point, the start's first
  converged: bool  # whether the last change was below the tolerance


def maximise(points: Any, centres: Any, tolerance: float, iterations: int) -> Fit:
  """Fits p(z) = sum_m pi_m N(z | a_m, B_m) with a prior on pi and B   (Fraley and Raftery 2007).

  With responsibilities r_nm, an inverse-Wishart prior of scale and strength p and one pseudo-count
  a weight, an iteration sets

      n_m = sum_n r_nm,    pi_m = (n_m + 1) / (N + M),    a_m = sum_n r_nm z_n / n_m,
      B_m = (sum_n r_nm (z_n - a_m) (z_n - a_m)^T + p I) / (n_m + p).

  ln pi_m N(z | a_m, B_m) is linear in phi(z) = (1, z_i, z_i z_j), so both steps are products of
  matrices. An M-step renews the points and components whose responsibilities moved: an incremental
  EM (Neal and Hinton 1998), whose bound cannot fall either. Responsibilities have the precision of
  the points, or float64 where the tolerance or a GPU asks for it; moments, parameters and the
  log-likelihood always float64.

  Args:
    points: z [N, p], float32 or float64, of about unit variance.
    centres: [M, p], where EM starts.
    tolerance: of the penalised log-likelihood a point. iterations: at the most.
  """
  # A GPU may round the factors of float32 products to ten bits.
  exact = tolerance < _COARSE or bool(tf.config.list_physical_devices("GPU"))
  dtype = "float64" if exact else points.dtype.name
  (log_weights, means, covariances), history, converged = _program(dtype)(
    points.astype(dtype, copy=False),
    tf.constant(centres, tf.float64),
    tf.constant(tolerance, tf.float64),
    tf.constant(iterations, tf.int32),
  )
  past = tuple(float(value) for value in history.numpy())
  return Fit(np.exp(log_weights.numpy()), means.numpy(), covariances.numpy(), past, bool(converged))


@functools.cache
def _program(dtype: str) -> Any:
  """The graph of one precision, which serves all shapes."""
  matrix, scalar = tf.TensorSpec([None, None], tf.float64), tf.TensorSpec([], tf.float64)
  signature = [tf.TensorSpec([None, None], dtype), matrix, scalar, tf.TensorSpec([], tf.int32)]
  return tf.function(_iterate, input_signature=signature, autograph=False)


class _State(NamedTuple):
  """Between two iterations, of N points and M components."""

  step: Tensor  # iterations so far
  natural: _Natural
  shares: Tensor  # responsibilities [N, M]
  entropy: Tensor  # theirs, []
  moments: Tensor  # theirs, [M, F]
  history: Tensor  # bounds so far
  last: Tensor  # the last bound
  done: Tensor  # whether EM converged


def _iterate(
  points: Tensor, centres: Tensor, tolerance: Tensor, iterations: Tensor
) -> tuple[_Parameters, Tensor, Tensor]:
  still = 1e-7 if points.dtype == tf.float32 else 1e-12  # what a responsibility moves unheeded
  many, size = tf.shape(centres)[0], tf.shape(centres)[1]
  # phi without its one, [N, p + p (p + 1) / 2]
  expanded = tf.transpose(tf.concat([tf.transpose(points), _products(points)], 0))
  log_weights = tf.zeros([many], tf.float64) - tf.math.log(tf.cast(many, tf.float64))
  narrow = tf.eye(size, batch_shape=[many], dtype=tf.float64) * _NARROW
  natural = _natural(log_weights, centres, narrow)

  def body(state: _State) -> tuple[_State]:
    theta = tf.cast(state.natural[0], expanded.dtype)
    log_joint = tf.matmul(expanded, theta[:, 1:], transpose_b=True) + theta[:, 0]  # [N, M]
    shares = tf.nn.softmax(log_joint)
    rows = tf.where(tf.reduce_max(tf.abs(shares - state.shares), 1) > still)[:, 0]
    renewed, before = tf.gather(shares, rows), tf.gather(state.shares, rows)  # [n, M]
    change = renewed - before
    entropy = state.entropy + _entropy(renewed) - _entropy(before)
    moments = _moments(tf.gather(points, rows), change, state.moments)
    bound = tf.reduce_sum(state.natural[0] * moments) + entropy + _log_prior(state.natural)
    bound /= tf.reduce_sum(moments[:, 0])
    # The first component always counts as moved, so that there is one.
    columns = tf.where(tf.reduce_any(tf.abs(change) > still, 0) | (tf.range(many) == 0))  # [k, 1]
    moved = _natural(*_solve(tf.gather_nd(moments, columns), moments, size))
    pairs = zip(state.natural, moved, strict=True)
    return (
      _State(
        state.step + 1,
        tuple(tf.tensor_scatter_nd_update(old, columns, new) for old, new in pairs),
        tf.tensor_scatter_nd_update(state.shares, rows[:, None], renewed),
        entropy,
        moments,
        state.history.write(state.step, bound),
        bound,
        tf.abs(bound - state.last) < tolerance,
      ),
    )

  start = _State(
    tf.constant(0),
    natural,
    tf.zeros([tf.shape(points)[0], many], points.dtype),
    tf.constant(0.0, tf.float64),
    tf.zeros_like(natural[0]),
    tf.TensorArray(tf.float64, size=0, dynamic_size=True),
    tf.constant(-np.inf, tf.float64),
    tf.constant(False),
  )
  (state,) = tf.while_loop(
    lambda state: (state.step < iterations) & ~state.done, body, (start,), parallel_iterations=1
  )
  return _solve(state.moments, state.moments, size), state.history.stack(), state.done


def _moments(points: Tensor, shares: Tensor, moments: Tensor) -> Tensor:
  """`moments` [M, F] and sum_n shares_nm phi(z_n) of more, a few points at a time."""
  rows = tf.maximum(_CHUNK // tf.shape(moments)[1], 1)

  def add(first: Tensor, moments: Tensor) -> tuple[Tensor, Tensor]:
    z, r = (tf.cast(array[first : first + rows], tf.float64) for array in (points, shares))
    linear = tf.matmul(r, z, transpose_a=True)
    second = tf.matmul(r, _products(z), transpose_a=True, transpose_b=True)
    more = tf.concat([tf.reduce_sum(r, 0)[:, None], linear, second], 1)
    return first + rows, moments + more

  count, start = tf.shape(points)[0], (tf.constant(0), moments)
  return tf.while_loop(lambda first, _: first < count, add, start, parallel_iterations=1)[1]


def _solve(some: Tensor, moments: Tensor, size: Tensor) -> _Parameters:
  """The parameters of components with the moments `some`, of a mixture with `moments`."""
  prior = tf.cast(size, tf.float64)
  shares = some[:, 0] + _EMPTY
  means = some[:, 1 : 1 + size] / shares[:, None]
  order = tf.range(size)
  low, high = tf.minimum(order[:, None], order), tf.maximum(order[:, None], order)
  places = low * size - low * (low - 1) // 2 + high - low  # [p, p], where z_i z_j lies
  second = tf.gather(some[:, 1 + size :], places, axis=1)  # [k, p, p]
  scatter = second - shares[:, None, None] * means[:, :, None] * means[:, None]
  pseudo = prior * tf.eye(size, dtype=tf.float64)
  total = tf.reduce_sum(moments[:, 0]) + tf.cast(tf.shape(moments)[0], tf.float64)
  covariances = (scatter + pseudo) / (shares + prior)[:, None, None]
  return tf.math.log((shares + 1) / total), means, covariances


def _natural(log_weights: Tensor, means: Tensor, covariances: Tensor) -> _Natural:
  size = tf.shape(means)[1]
  eye = tf.eye(size, batch_shape=tf.shape(means)[:1], dtype=tf.float64)
  whitening = tf.linalg.triangular_solve(tf.linalg.cholesky(covariances), eye)
  precisions = tf.matmul(whitening, whitening, transpose_a=True)
  log_volume = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(whitening)) - 0.5 * _LOG_2PI, 1)
  squares = tf.reduce_sum(tf.linalg.matvec(whitening, means) ** 2, 1)
  constants = log_weights + log_volume - 0.5 * squares
  rows, columns = _pairs(size)
  flat = tf.reshape(precisions, [tf.shape(means)[0], -1])
  pairs = tf.gather(flat, rows * size + columns, axis=1)
  quadratic = pairs * tf.where(rows == columns, tf.constant(-0.5, tf.float64), -1.0)
  linear = tf.linalg.matvec(precisions, means)
  return tf.concat([constants[:, None], linear, quadratic], 1), whitening, log_weights


def _log_prior(natural: _Natural) -> Tensor:
  """ln of the prior, inverse Wishart on B and Dirichlet on pi, up to a constant."""
  _, whitening, log_weights = natural
  log_scales = tf.reduce_sum(tf.math.log(tf.linalg.diag_part(whitening)), 1)
  wishart = log_scales - 0.5 * tf.reduce_sum(whitening**2, [1, 2])
  return tf.reduce_sum(tf.cast(tf.shape(whitening)[1], tf.float64) * wishart + log_weights)


def _products(points: Tensor) -> Tensor:
  """z_i z_j with i <= j, [p (p + 1) / 2, n]."""
  channels = tf.transpose(points)  # [p, n]
  rows, columns = _pairs(tf.shape(points)[1])
  return tf.gather(channels, rows) * tf.gather(channels, columns)


def _pairs(size: Tensor) -> tuple[Tensor, Tensor]:
  """All i <= j, row by row."""
  order = tf.range(size)
  pairs = tf.cast(tf.where(order[:, None] <= order), tf.int32)
  return pairs[:, 0], pairs[:, 1]


def _entropy(shares: Tensor) -> Tensor:
  """-sum_nm r_nm ln r_nm, float64."""
  return -tf.reduce_sum(tf.cast(tf.reduce_sum(tf.math.xlogy(shares, shares), 1), tf.float64))
