"""The machine itself: how fast TensorFlow multiplies here, without an attack around it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from benchmarks.flops import Convolution, convolutions, step_flops

Tensor = Any
SIDES = (1024, 2048, 4096, 8192)
_DTYPES = ("float32", "bfloat16")
_SECONDS = 0.3  # a product is repeated for so long


def _wait(result: Tensor) -> None:
  """Returns once the result is there; devices work asynchronously."""
  float(result[(0,) * len(result.shape)])


class _Product:
  """Two square matrices."""

  def __init__(self, side: int, dtype: str) -> None:
    drawn = tf.random.stateless_normal([side, side], [side, 0])
    self._factor = tf.cast(drawn, dtype)
    self._multiply = tf.function(tf.matmul, autograph=False)
    self.gflop = 2 * side**3 / 1e9

  def __call__(self) -> None:
    _wait(self._multiply(self._factor, self._factor))


class _Convolutions:
  """Every convolution of a network alone, forward and its input gradient."""

  def __init__(self, model: keras.Model, batch: int, dtype: str) -> None:
    self._calls: list[tuple[int, Callable[[], Tensor]]] = []
    for one, count in convolutions(model).items():
      self._calls += [(count, call) for call in _both_ways(one, batch, dtype)]
    self.gflop = batch * step_flops(model) / 1e9

  def __call__(self) -> None:
    for count, call in self._calls:
      for _ in range(count):
        result = call()
    _wait(result)


def _both_ways(one: Convolution, batch: int, dtype: str) -> list[Callable[[], Tensor]]:
  images = tf.cast(tf.random.stateless_normal([batch, *one.inputs, one.kernel[2]], [0, 0]), dtype)
  kernel = tf.cast(tf.random.stateless_normal(one.kernel, [0, 1]), dtype)
  back = tf.cast(tf.random.stateless_normal([batch, *one.outputs, one.kernel[3]], [0, 2]), dtype)
  forward = tf.function(
    lambda: tf.nn.conv2d(images, kernel, one.stride, one.padding), autograph=False
  )
  backward = tf.function(
    lambda: tf.nn.conv2d_transpose(back, kernel, images.shape, one.stride, one.padding),
    autograph=False,
  )
  return [forward, backward]


class Rates:
  """GFLOP/s of square products and of the network's convolutions, in float32 and bfloat16."""

  def __init__(self, job: dict[str, Any]) -> None:
    model = keras.models.load_model(job["network"])
    batch = int(job["batch_size"])
    self._step_gflop = batch * step_flops(model) / 1e9
    self._work: dict[str, _Product | _Convolutions] = {}
    for dtype in _DTYPES:
      for side in job.get("sides", SIDES):
        self._work[f"product_{side}_{dtype}"] = _Product(side, dtype)
      self._work[f"convolutions_{dtype}"] = _Convolutions(model, batch, dtype)

  def check(self) -> dict[str, Any]:
    """Everything once, so that all is compiled."""
    for work in self._work.values():
      work()
    return {}

  def run(self, steps: int) -> dict[str, float]:
    """The rates by name, and the GFLOP of an attack step."""
    return {"step_gflop": self._step_gflop} | {
      name: work.gflop / _seconds(work) for name, work in self._work.items()
    }


def _seconds(work: Callable[[], None]) -> float:
  started, count = time.perf_counter(), 0
  while (passed := time.perf_counter() - started) < _SECONDS or not count:
    work()
    count += 1
  return passed / count


def start(job: dict[str, Any]) -> Rates:
  """The machine, ready to be measured."""
  return Rates(job)
