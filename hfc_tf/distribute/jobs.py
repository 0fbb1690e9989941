"""Attacks and taps as compiled programs, which any worker can run."""

from __future__ import annotations

import io
import itertools
import pathlib
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.attacks import Attack
from hfc_tf.attacks.export import batch_function
from hfc_tf.distribute.executors import Arrays, Chunk, Executor, Job, Work
from hfc_tf.taps import TappedModel, Taps

Tensor = Any


def attack_job(attack: Attack, batch_size: int, shape: tuple[int, ...]) -> Job:
  """A job that turns a chunk of images, targets, ids and `numbers(attack)` into {"images": ...}.

  One program serves all weights and budgets; `batch_size` is that of a chunk, `shape` an image's.
  """
  function, specs = batch_function(attack, batch_size, shape)
  return _saved(lambda *tensors: {"images": function(*tensors)}, specs)


def taps_job(model: TappedModel, batch_size: int, shape: tuple[int, ...]) -> Job:
  """A job that turns a chunk of images into {"logits": ..., "features/LAYER": ...}."""

  def function(images: Tensor) -> dict[str, Tensor]:
    logits, features = model(images)
    return {"logits": logits, **{f"features/{name}": mean for name, mean in features.items()}}

  return _saved(function, {"images": tf.TensorSpec([batch_size, *shape], tf.float32, "images")})


def _saved(function: Callable[..., dict[str, Tensor]], specs: dict[str, tf.TensorSpec]) -> Job:
  """A function of named tensors, weights included, as plain data."""
  module, file = tf.Module(), io.BytesIO()
  module.program = tf.function(function, autograph=False, input_signature=list(specs.values()))
  module.weights = module.program.get_concrete_function().variables
  with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(file, "w") as archive:
    # The gradients are in the program; those of its parts are not asked for again.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, folder, options=options)
    for path in sorted(pathlib.Path(folder).rglob("*")):
      archive.write(path, path.relative_to(folder))  # not compressed: weights hardly shrink
  rows = {name: spec.shape[0] if spec.shape.rank else None for name, spec in specs.items()}
  return Job(program, {"content": np.frombuffer(file.getvalue(), np.uint8), "rows": rows})


def program(content: np.ndarray[Any, Any], rows: dict[str, int | None]) -> Work:
  """Loads a compiled program, whose last chunk of a kind may have fewer rows than the others.

  Args:
    content: uint8, a zip of a SavedModel.
    rows: of each argument of the program, in order; None for a scalar.
  """
  with tempfile.TemporaryDirectory() as folder:
    zipfile.ZipFile(io.BytesIO(content.data)).extractall(folder)
    module = tf.saved_model.load(folder)
  specs = module.program.get_concrete_function().structured_input_signature[0]

  def work(**chunk: Any) -> Arrays:
    count = len(chunk["images"])
    tensors = []
    for (name, size), spec in zip(rows.items(), specs, strict=True):
      value = np.asarray(chunk[name], spec.dtype.as_numpy_dtype)
      if size is not None and len(value) < size:
        value = np.pad(value, [(0, size - len(value))] + [(0, 0)] * (value.ndim - 1), mode="edge")
      tensors.append(tf.constant(value))
    return {name: value.numpy()[:count] for name, value in module.program(*tensors).items()}

  return work


def batches(images: Any, batch_size: int) -> Iterator[Chunk]:
  """Chunks of images [N, ...], or of whatever gives such arrays, of any length, one by one."""
  rest: list[np.ndarray[Any, Any]] = []
  for block in itertools.chain([images] if hasattr(images, "shape") else images, [None]):
    if block is not None:
      rest.append(block)
    whole = rest[0] if len(rest) == 1 else np.concatenate(rest) if rest else np.zeros(0)
    ready = len(whole) if block is None else len(whole) - len(whole) % batch_size
    for start in range(0, ready, batch_size):
      yield {"images": np.asarray(whole[start : start + batch_size])}
    rest = [whole[ready:]] if ready < len(whole) else []


def taps(
  executor: Executor,
  job: Job,
  model: TappedModel,
  images: Any,
  labels: Any = None,
  *,
  groups: Any = None,
  batch_size: int = 64,
) -> Taps:
  """`model.taps(...)` of images in [0, 1], as `batches` takes them, made by an executor.

  Args:
    job: of `taps_job` for this model and batch size.
    labels: int [N]; -1 everywhere when None. groups: int [N] or None.
  """
  made = dict(executor.map(job, batches(images, batch_size)))
  logits = np.concatenate([made[number]["logits"] for number in sorted(made)])
  return Taps(
    features={
      name: np.concatenate([made[number][f"features/{name}"] for number in sorted(made)])
      for name in model.layers
    },
    logits=logits,
    labels=np.full(len(logits), -1, np.int32) if labels is None else np.asarray(labels, np.int32),
    groups=None if groups is None else np.asarray(groups, np.int64),
    penultimate=model.penultimate,
    head=model.head,
  )
