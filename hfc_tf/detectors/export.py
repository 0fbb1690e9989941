"""A fitted detector and its classifier as one SavedModel: images in, score and verdict out."""

from __future__ import annotations

import copy
import json
import os
import pathlib
import tempfile

import numpy as np
import tensorflow as tf

from hfc_tf.detectors.base import Detector
from hfc_tf.detectors.learning import Tensor
from hfc_tf.errors import InputError
from hfc_tf.storage.files import locked
from hfc_tf.taps import TappedModel

DESCRIPTION = "detector.json"
_SPECIAL = frozenset("[]*?\\\0")


def export_detector(
  detector: Detector, model: TappedModel, path: str | os.PathLike[str]
) -> pathlib.Path:
  """Writes a SavedModel that needs nothing but TensorFlow.

      served = tf.saved_model.load("maha/")
      served.serve(images)["is_adversarial"]

  `serve`, also the signature "serving_default", takes float32 images `[N, ...]` in the model's
  bounds and returns

  * score: float32 `[N]`, higher = more adversarial; NaN for images out of bounds or with NaN;
  * is_adversarial: bool `[N]`, score > threshold; true as well where the score is NaN;
  * label: the predicted class, int32 `[N]`;
  * layer_scores: float32 `[N, L]`, where the detector has such.

  `detector.json` in the same folder names detector, settings, threshold, layers, input shape and
  bounds. The folder appears whole or not at all; an earlier export there is replaced, behind a
  symbolic link what it points to.

  Args:
    detector: fitted on this classifier.
    path: the folder, which is returned.

  Raises:
    InputError: a detector before fit, a model whose preprocessing runs Python, a place that holds
      something else, cannot be written, or has a name that TensorFlow reads as a pattern.
  """
  place = _place(path)
  detector._check_ready()
  detector._check_model(model)
  if place.exists() and not (place / DESCRIPTION).is_file():
    raise InputError("a new folder, or one with an export", f"another {place}", "name another")
  served = _Served(detector, model)
  description = {
    "detector": detector.key,
    "settings": detector.settings(),
    "threshold": detector.threshold_,
    "layers": detector.layers_,
    "input_shape": list(model.input_shape),
    "bounds": list(model.bounds),
    "classes": model.num_classes,
    "outputs": sorted(served.serve.get_concrete_function().structured_outputs),
  }
  # The graph needs no further gradient, and those of some convolutions cannot be saved.
  options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
  try:
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".export.") as beside:
      new = pathlib.Path(beside) / "new"
      tf.saved_model.save(served, os.fspath(new), {"serving_default": served.serve}, options)
      (new / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n")
      _replace(place, new)
  except (OSError, tf.errors.OpError) as error:
    raise InputError(
      f"a folder that can be written at {place}", str(error)[:200], "choose another, or make room"
    ) from error
  return pathlib.Path(path)


def _place(path: str | os.PathLike[str]) -> pathlib.Path:
  """The folder itself, behind symbolic links."""
  given = os.path.abspath(path)
  special = sorted(set(given) & _SPECIAL)
  if special:
    raise InputError(
      "a path that TensorFlow can load from",
      f"{' '.join(special)} in {given!r}",
      "name another folder: TensorFlow reads these as a pattern",
    )
  return pathlib.Path(given).resolve()


def _replace(place: pathlib.Path, new: pathlib.Path) -> None:
  """Puts the folder `new` at `place`; several exports at once do so one after the other."""
  with locked(place.with_name("export")):  # a lock of a short name
    old = new.with_name("old")
    if place.exists():
      place.rename(old)
    try:
      new.rename(place)
    except OSError:
      if old.exists():
        old.rename(place)
      raise


class _Served(tf.Module):  # type: ignore[misc]
  """The graph and the variables it reads."""

  def __init__(self, detector: Detector, model: TappedModel) -> None:
    super().__init__()
    # Variables, which are kept outside of the graph; constants in it may not exceed 2 GB.
    detector = copy.copy(detector)
    detector._tensors = tf.nest.map_structure(
      lambda value: tf.Variable(value, trainable=False), detector._tensors
    )
    low, high = model.bounds

    def serve(images: Tensor) -> dict[str, Tensor]:
      unit = tf.cast((tf.cast(images, tf.float64) - low) / (high - low), tf.float32)
      inside = tf.reduce_all(
        (unit >= -1e-5) & (unit <= 1.0 + 1e-5), list(range(1, unit.shape.rank))
      )
      outputs = detector.outputs(model, tf.clip_by_value(unit, 0.0, 1.0))
      logits = outputs.pop("logits")
      score = tf.where(inside, outputs["score"], np.nan)
      return {
        **outputs,
        "score": score,
        "is_adversarial": (score > detector.threshold_) | tf.math.is_nan(score),
        "label": tf.argmax(logits, axis=1, output_type=tf.int32),
      }

    spec = tf.TensorSpec([None, *model.input_shape], tf.float32, name="images")
    self.serve = tf.function(serve, input_signature=[spec], autograph=False)
    graph = self.serve.get_concrete_function().graph
    self.weights = list(graph.variables)
    definition = graph.as_graph_def()
    bodies = [definition.node, *(function.node_def for function in definition.library.function)]
    python = ", ".join(sorted({n.op for nodes in bodies for n in nodes if "PyFunc" in n.op}))
    if python:
      expected = "a model of TensorFlow operations"
      raise InputError(expected, f"{python} in it", "write it without Python")
