"""Attacks and taps as compiled programs, which any worker can run."""

from __future__ import annotations

import dataclasses
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

  One program serves all weights and budgets.

  Args:
    attack: any attack, with whatever objective.
    batch_size: images a chunk.
    shape: of an image.
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
  """Loads a compiled program; the last chunk of a kind may have fewer rows than the others.

  Args:
    content: uint8, a zip of a SavedModel.
    rows: of each argument of the program, in order; None for a scalar.
  """
  with tempfile.TemporaryDirectory() as folder:
    zipfile.ZipFile(io.BytesIO(content)).extractall(folder)
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
  """Chunks for jobs that take images alone.

  Args:
    images: [N, ...], or anything that gives such arrays one after the other, of any length: an
      archive larger than memory.
    batch_size: images a chunk.
  """
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
  """`model.taps(...)` of images in [0, 1], made by an executor.

  Args:
    executor: who works.
    job: of `taps_job` for this model and batch size.
    model: for what taps tell of it.
    images: as in `batches`.
    labels: int [N]; -1 everywhere when None. groups: int [N] or None.
    batch_size: images a chunk.
  """
  made = dict(executor.map(job, batches(images, batch_size)))
  whole = Taps.concatenate([
    Taps(
      features={name: made[number][f"features/{name}"] for name in model.layers},
      logits=made[number]["logits"],
      labels=np.full(len(made[number]["logits"]), -1, np.int32),
      penultimate=model.penultimate,
      head=model.head,
    )
    for number in sorted(made)
  ])  # fmt: skip
  return dataclasses.replace(
    whole,
    labels=whole.labels if labels is None else np.asarray(labels, np.int32),
    groups=None if groups is None else np.asarray(groups, np.int64),
  )
