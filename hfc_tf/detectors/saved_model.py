"""Anybody's detector: a SavedModel from images to scores."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from hfc_tf.detectors.images import ImageDetector
from hfc_tf.detectors.learning import AdvTrain, Array, Tensor
from hfc_tf.errors import InputError
from hfc_tf.taps import TappedModel, Taps


@dataclasses.dataclass(eq=False, repr=False)
class SavedModelDetector(ImageDetector):
  """A detector that somebody else made: TensorFlow's SavedModel, images in, scores out.

  Its signature "serving_default", or else the model itself, takes float32 images `[N, ...]` in the
  classifier's bounds and returns scores `[N]` or `[N, 1]`, alone or under the name "score"; higher
  means more adversarial. `fit` learns the threshold alone, on clean AdvTrain images. What
  `export_detector` writes can be read.

  Args:
    path: the SavedModel's folder.
  """

  key = "saved_model"
  train_images = 0
  per_layer = False
  path: str | os.PathLike[str]

  def __post_init__(self) -> None:
    # What is absolute stays the same object, as scikit-learn's clone asks for.
    if not (isinstance(self.path, str) and os.path.isabs(self.path)):
      self.path = os.path.abspath(self.path)

  def _choose_layers(self, train: Taps) -> list[str]:
    return []

  @functools.cached_property
  def _function(self) -> Callable[[Tensor], Any]:
    try:
      network = tf.saved_model.load(self.path)
    except Exception as error:  # a damaged one raises many kinds
      raise InputError(
        "a TensorFlow SavedModel", f"{self.path}: {str(error)[:200]}", "give its folder"
      ) from error
    signature = getattr(network, "signatures", {}).get("serving_default")
    if signature is not None:
      names = list(signature.structured_input_signature[1])
      if len(names) == 1:
        # The network keeps the variables that its signature reads.
        return lambda images: network.signatures["serving_default"](**{names[0]: images})
    if signature is None and callable(network):
      return network  # type: ignore[no-any-return]
    raise InputError(
      "a SavedModel that takes images alone",
      f"{self.path} without such a serving_default",
      "export it with one input",
    )

  def _learn(self, train: Taps, data: AdvTrain) -> Array:
    return self._over_images(self.score_image_tensor, data)

  def score_image_tensor(self, model: TappedModel, images: Tensor) -> Tensor:
    """Its scores `[B]`."""
    low, high = model.bounds
    scores = self._function(images * (high - low) + low)
    if isinstance(scores, dict):
      only = next(iter(scores.values())) if len(scores) == 1 else None
      scores = scores.get("score", only)
    shape = getattr(scores, "shape", None)
    if shape is None or shape.rank not in (1, 2) or (shape.rank == 2 and shape[1] != 1):
      raise InputError(
        "scores of shape (N,) or (N, 1), alone or named score",
        f"{scores if shape is None else tuple(shape)} from {self.path}",
        "return one score an image",
      )
    if not (scores.dtype.is_floating or scores.dtype.is_integer or scores.dtype.is_bool):
      raise InputError(
        "scores that are numbers", f"{scores.dtype.name} from {self.path}", "cast them"
      )
    return tf.cast(tf.reshape(scores, [-1]), tf.float32)
