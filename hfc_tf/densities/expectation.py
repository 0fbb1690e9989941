"""Expectation maximisation that only does again what has changed."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from hfc_tf.densities.blocks import Blocks
from hfc_tf.densities.moments import Diagonal, Full, Quadratic
from hfc_tf.densities.problem import Fit, Problem

Tensor = Any
Natural = tuple[Tensor, ...]
Parameters = tuple[Tensor, Tensor, Tensor]  # ln pi [M], means [M, C], covariances

_QUADRATIC = 32  # up to so many channels, products of channels are formed once
_CHUNK = 2**20  # numbers that are float64 at a time
_WORTH = 400  # numbers a log-density costs at least, if keeping it is to pay
_COARSE = 1e-4  # a tolerance that float32 responsibilities are good for


class _State(NamedTuple):
  """Between two iterations over points that stay in memory: N points, M components.

  Attributes:
    step: iterations so far. natural: the parameters as their model takes them.
    log_joint: [N, M], not yet renewed in `columns`, the components that the last M-step changed.
    shares: responsibilities [N, M]. entropy, moments: theirs, [] and [M, F].
    history: bounds so far. last: the last. done: whether EM converged.
  """

  step: Tensor
  natural: Natural
  log_joint: Tensor
  shares: Tensor
  entropy: Tensor
  moments: Tensor
  columns: Tensor
  history: Tensor
  last: Tensor
  done: Tensor


def expansion(width: int, full: bool) -> int:
  """How many numbers `maximise` keeps of each of `width` numbers, which sizes its blocks."""
  if not full:
    return 2
  return (width + 3) // 2 if width <= _QUADRATIC else 1


def maximise(blocks: Blocks, full: bool, problem: Problem) -> Fit:
  """Fits a Gaussian mixture to points   (TMI Eq. 14).

  One block stays in memory with its log-densities and responsibilities, and an iteration
  touches the components and the points whose responsibilities moved: an incremental EM (Neal
  and Hinton 1998), whose bound cannot fall either. Of several blocks nothing but moments is
  kept, so that memory does not grow with their number. Responsibilities have the precision of
  the points, or float64 where the tolerance or a GPU asks for it; moments, parameters and the
  log-likelihood always float64.

  Args:
    blocks: the points, [n, C] each, float32 or float64.
    full: full covariances, or diagonal ones.
    problem: the start and the stopping rule.
  """
  narrow = blocks.width <= _QUADRATIC
  model = "diagonal" if not full else "quadratic" if narrow else "full"
  # A GPU may round the factors of float32 products to ten bits.
  exact = problem.tolerance < _COARSE or bool(tf.config.list_physical_devices("GPU"))
  program = _program(model, "float64" if exact else blocks.dtype.name)
  tensors = Problem(*(tf.constant(value, tf.float64) for value in problem))
  run = program.resident if len(blocks) == 1 else program.streamed
  (log_weights, means, covariances), history, converged = run(blocks, tensors)
  past = tuple(float(value) for value in history)
  return Fit(np.exp(log_weights.numpy()), means.numpy(), covariances.numpy(), past, bool(converged))


@functools.cache
def _program(model: str, dtype: str) -> _Program:
  models = {"diagonal": Diagonal, "full": Full, "quadratic": Quadratic}
  return _Program(models[model](), dtype)


class _Program:
  """The graphs of one covariance model and precision, which serve all shapes."""

  def __init__(self, model: Diagonal, dtype: str) -> None:
    self._model = model
    self._dtype = dtype
    # What a responsibility may move unheeded. Of many points such remainders widen a component
    # that has collapsed to its ridge, so they are as small as the precision allows.
    self._still = 1e-7 if dtype == "float32" else 1e-12
    scalar, vector, matrix = (tf.TensorSpec([None] * rank, tf.float64) for rank in range(3))
    problem = Problem(vector, matrix, vector, vector, scalar, scalar, scalar, vector, vector)
    points = tf.TensorSpec([None, None], dtype)
    self._whole = tf.function(self._iterate, input_signature=[points, problem], autograph=False)
    relaxed = functools.partial(tf.function, autograph=False, reduce_retracing=True)
    self._start, self._sweep, self._close = map(relaxed, (self._begin, self._visit, self._finish))

  def resident(self, blocks: Blocks, problem: Problem) -> tuple[Parameters, Any, Any]:
    """Parameters, history and whether EM converged, for points in one block."""
    (block,) = blocks
    parameters, history, converged = self._whole(block.astype(self._dtype, copy=False), problem)
    return parameters, history.numpy(), converged

  def streamed(self, blocks: Blocks, problem: Problem) -> tuple[Parameters, Any, Any]:
    """The same for any number of blocks, each read once an iteration."""
    natural = self._start(problem)
    history: list[float] = []
    converged = False
    while len(history) < int(problem.iterations) and not converged:
      moments, entropy = 0.0, 0.0
      for block in blocks:
        gained, more = self._sweep(block.astype(self._dtype, copy=False), natural, problem)
        moments, entropy = moments + gained, entropy + more
      bound, parameters, natural = self._close(moments, entropy, natural, problem)
      converged = bool(history) and abs(float(bound) - history[-1]) < float(problem.tolerance)
      history.append(float(bound))
    return parameters, history, converged

  def _begin(self, problem: Problem) -> Natural:
    """The natural parameters of the start."""
    return self._model.start(tf.math.log(problem.weights), problem.means, problem.spread)

  def _visit(self, block: Tensor, natural: Natural, problem: Problem) -> tuple[Tensor, Tensor]:
    """Moments [M, F] of a block, and the entropy of its responsibilities."""
    points = _points(block, problem)
    shares = tf.nn.softmax(self._model.log_joint(self._model.expand(points), natural))
    return self._moments(points, shares, tf.zeros_like(natural[0])), _entropy(shares)

  def _moments(self, points: Tensor, shares: Tensor, moments: Tensor) -> Tensor:
    """`moments` [M, F] and those of points [n, C] with shares [n, M], a few rows at a time."""
    size = tf.maximum(_CHUNK // tf.shape(points)[1], 1)

    def add(first: Tensor, moments: Tensor) -> tuple[Tensor, Tensor]:
      some = (tf.cast(array[first : first + size], tf.float64) for array in (points, shares))
      return first + size, moments + self._model.moments(*some)

    count, start = tf.shape(points)[0], (tf.constant(0), moments)
    return tf.while_loop(lambda first, _: first < count, add, start, parallel_iterations=1)[1]

  def _finish(
    self, moments: Tensor, entropy: Tensor, natural: Natural, problem: Problem
  ) -> tuple[Tensor, Parameters, Natural]:
    """The bound of the parameters so far, and the next ones in both forms."""
    parameters = self._solve(moments, moments, problem)
    bound = self._bound(moments, entropy, natural, problem)
    return bound, parameters, self._model.natural(*parameters)

  def _solve(self, some: Tensor, moments: Tensor, problem: Problem) -> Parameters:
    """The parameters of components with the moments `some`, of a mixture with `moments`."""
    shares, means, covariances = self._model.solve(some, problem.ridge, problem.prior)
    count = tf.cast(problem.prior > 0, tf.float64)
    total = tf.reduce_sum(moments[:, 0]) + count * tf.cast(tf.shape(moments)[0], tf.float64)
    return tf.math.log((shares + count) / total), means, covariances

  def _bound(self, moments: Tensor, entropy: Tensor, natural: Natural, problem: Problem) -> Tensor:
    """sum_nm r_nm (ln pi_m N(z_n) - ln r_nm), the log-likelihood, with the prior; a point."""
    bound = tf.reduce_sum(natural[0] * moments) + entropy
    bound += self._model.log_prior(natural, problem.prior)
    return bound / tf.reduce_sum(moments[:, 0])

  def _renew(self, state: _State, expanded: Tensor) -> Tensor:
    """ln pi_m N(z_n), [N, M], anew: of the changed components alone where that is less work."""
    columns, many = state.columns, tf.shape(state.log_joint)[1]

    def some() -> Tensor:
      changed = tuple(tf.gather(part, columns) for part in state.natural)
      places = tf.one_hot(columns, many, dtype=expanded.dtype)  # [k, M]
      fresh = tf.matmul(self._model.log_joint(expanded, changed), places)
      return state.log_joint * (1 - tf.reduce_sum(places, 0)) + fresh

    saved = (many - tf.size(columns)) * tf.shape(state.moments)[1]
    every = functools.partial(self._model.log_joint, expanded, state.natural)
    return tf.cond(saved > _WORTH * many, some, every)

  def _iterate(self, block: Tensor, problem: Problem) -> tuple[Parameters, Tensor, Tensor]:
    model, many = self._model, tf.shape(problem.weights)[0]
    points = _points(block, problem)
    expanded = model.expand(points)
    natural = self._begin(problem)

    def body(state: _State) -> tuple[_State]:
      log_joint = self._renew(state, expanded)
      shares = tf.nn.softmax(log_joint)
      rows = _where(tf.reduce_max(tf.abs(shares - state.shares), 1) > self._still)
      renewed, before = tf.gather(shares, rows), tf.gather(state.shares, rows)  # [n, M]
      change = renewed - before
      entropy = state.entropy + _entropy(renewed) - _entropy(before)
      moments = self._moments(tf.gather(points, rows), change, state.moments)
      bound = self._bound(moments, entropy, state.natural, problem)
      # The first component always counts as moved, so that there is one.
      columns = _where(tf.reduce_any(tf.abs(change) > self._still, 0) | (tf.range(many) == 0))
      natural = model.natural(*self._solve(tf.gather(moments, columns), moments, problem))
      pairs = zip(state.natural, natural, strict=True)
      return (
        _State(
          state.step + 1,
          tuple(tf.tensor_scatter_nd_update(old, columns[:, None], new) for old, new in pairs),
          log_joint,
          tf.tensor_scatter_nd_update(state.shares, rows[:, None], renewed),
          entropy,
          moments,
          columns,
          state.history.write(state.step, bound),
          bound,
          tf.abs(bound - state.last) < problem.tolerance,
        ),
      )

    log_joint = model.first(points, expanded, natural)
    (state,) = tf.while_loop(
      lambda state: (tf.cast(state.step, tf.float64) < problem.iterations) & ~state.done,
      body,
      (
        _State(
          tf.constant(0),
          natural,
          log_joint,
          tf.zeros_like(log_joint),
          tf.constant(0.0, tf.float64),
          tf.zeros_like(natural[0]),
          _where(tf.range(many) == 0),
          tf.TensorArray(tf.float64, size=0, dynamic_size=True),
          tf.constant(-np.inf, tf.float64),
          tf.constant(False),
        ),
      ),
      parallel_iterations=1,
    )
    parameters = self._solve(state.moments, state.moments, problem)
    return parameters, state.history.stack(), state.done


def _points(block: Tensor, problem: Problem) -> Tensor:
  return (block - tf.cast(problem.shift, block.dtype)) / tf.cast(problem.scale, block.dtype)


def _entropy(shares: Tensor) -> Tensor:
  """-sum_nm r_nm ln r_nm, float64."""
  return -tf.reduce_sum(tf.cast(tf.reduce_sum(tf.math.xlogy(shares, shares), 1), tf.float64))


def _where(mask: Tensor) -> Tensor:
  return tf.cast(tf.where(mask)[:, 0], tf.int32)
