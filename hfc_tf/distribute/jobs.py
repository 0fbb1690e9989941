"""Attacks, taps and scores as compiled programs, which any worker can run."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.attacks import Attack
from hfc_tf.attacks.export import batch_function
from hfc_tf.detectors.base import Detector
from hfc_tf.distribute.executors import Executor
from hfc_tf.distribute.job import Chunk, Job
from hfc_tf.distribute.program import Specs, saved
from hfc_tf.taps import TappedModel, Taps

Array = np.ndarray[Any, Any]
Tensor = Any


def attack_job(
  path: str | os.PathLike[str], attack: Attack, batch_size: int, shape: tuple[int, ...]
) -> Job:
  """A job that turns a chunk of images, targets, ids and `numbers(attack)` into {"images": ...}.

  One program serves all weights and budgets.

  Args:
    path: the file that is written; a job needs it until it is mapped.
    attack: any attack, with whatever objective.
    batch_size: images a chunk.
    shape: of an image.
  """
  function, specs = batch_function(attack, batch_size, shape)
  return saved(path, lambda *tensors: {"images": function(*tensors)}, specs)


def taps_job(
  path: str | os.PathLike[str], model: TappedModel, batch_size: int, shape: tuple[int, ...]
) -> Job:
  """A job that turns a chunk of images into {"logits": ..., "features/LAYER": ...}."""

  def function(images: Tensor) -> dict[str, Tensor]:
    logits, features = model(images)
    return {"logits": logits, **{f"features/{name}": mean for name, mean in features.items()}}

  return saved(path, function, _images(batch_size, shape))


def scores_job(
  path: str | os.PathLike[str],
  model: TappedModel,
  detectors: Mapping[str, Detector],
  batch_size: int,
  shape: tuple[int, ...],
) -> Job:
  """A job that turns a chunk of images into {"logits": ..., and each detector's scores [N]}."""

  def function(images: Tensor) -> dict[str, Tensor]:
    logits, features = model(images)
    scores = {}
    for name, detector in detectors.items():
      if detector.reads == "images":
        scores[name] = detector.outputs(model, images)["score"]
      else:
        read = {layer: features[layer] for layer in detector.layers_}
        scores[name] = detector.score_tensor(read, logits)
    return {"logits": logits, **scores}

  return saved(path, function, _images(batch_size, shape))


def _images(batch_size: int, shape: tuple[int, ...]) -> Specs:
  return {"images": tf.TensorSpec([batch_size, *shape], tf.float32, "images")}


def batches(images: Any, batch_size: int) -> Iterator[Chunk]:
  """Chunks for jobs that take images alone.

  Args:
    images: [N, ...], or anything that gives such arrays one after the other, of any length: an
      archive larger than memory.
    batch_size: images a chunk.
  """
  blocks: Iterable[Any] = [images] if hasattr(images, "shape") else images
  rest: list[Array] = []
  for block in itertools.chain(blocks, [None]):
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
  found = dict(executor.map(job, batches(images, batch_size)))
  parts = [
    Taps(
      features={name: found[number][f"features/{name}"] for name in model.layers},
      logits=found[number]["logits"],
      labels=np.full(len(found[number]["logits"]), -1, np.int32),
      penultimate=model.penultimate,
      head=model.head,
    )
    for number in sorted(found)
  ]
  whole = Taps.concatenate(parts)
  return dataclasses.replace(
    whole,
    labels=whole.labels if labels is None else np.asarray(labels, np.int32),
    groups=None if groups is None else np.asarray(groups, np.int64),
  )
