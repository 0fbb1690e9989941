"""Compiled programs in files: all that a worker has to load."""

from __future__ import annotations

import os
import pathlib
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from hfc_tf.distribute.job import Arrays, Job, Work

Tensor = Any
Specs = dict[str, tf.TensorSpec]


def saved(
  path: str | os.PathLike[str], function: Callable[..., dict[str, Tensor]], specs: Specs
) -> Job:
  """Writes a function of named tensors, weights included, and says how to run it."""
  module = tf.Module()
  module.program = tf.function(function, autograph=False, input_signature=list(specs.values()))
  module.weights = module.program.get_concrete_function().variables
  with tempfile.TemporaryDirectory() as folder:
    # The gradients are in the program; those of its parts are not asked for again.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, folder, options=options)
    with zipfile.ZipFile(path, "w") as archive:  # not compressed: weights hardly shrink
      for file in sorted(pathlib.Path(folder).rglob("*")):
        archive.write(file, file.relative_to(folder))
  rows = {name: spec.shape[0] if spec.shape.rank else None for name, spec in specs.items()}
  return Job(program, {"rows": rows}, {"program": path})


def program(files: Mapping[str, pathlib.Path], rows: dict[str, int | None]) -> Work:
  """Loads what `saved` wrote; the last chunk of a kind may have fewer rows than the others.

  Args:
    files: "program".
    rows: of each argument of the program, in order; None for a scalar.
  """
  with tempfile.TemporaryDirectory() as folder:
    zipfile.ZipFile(files["program"]).extractall(folder)
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
