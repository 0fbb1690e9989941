"""Detectors that look at the images themselves."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NoReturn

import numpy as np
import tensorflow as tf

from hfc_tf.detectors.base import Detector, Features, Scores
from hfc_tf.detectors.learning import AdvTrain
from hfc_tf.detectors.storage import Array, Tensor
from hfc_tf.errors import InputError
from hfc_tf.surroundings import default_settings
from hfc_tf.taps import TappedModel, Taps

_BATCH = 16


class ImageDetector(Detector):
  """A detector whose score is a function of classifier and images.

      detector.fit(train, clean=..., adversarial=..., model=model,
                   images={"clean": ..., "adversarial": ...})
      detector.score_images(model, images)

  A subclass learns in `_learn`, by means of `_over_images`, and scores in `score_image_tensor`.
  """

  reads: ClassVar[Literal["features", "head", "images"]] = "images"

  @abc.abstractmethod
  def score_image_tensor(self, model: TappedModel, images: Tensor) -> Tensor:
    """Scores `[B]` of images `[B, ...]` in [0, 1]; higher = adversarial."""

  def layer_image_tensor(self, model: TappedModel, images: Tensor) -> Tensor:
    """Scores `[B, L]` of each of `layers_` alone."""
    raise self._no_layers()

  def outputs(self, model: TappedModel, images: Tensor) -> dict[str, Tensor]:
    """See `Detector.outputs`."""
    result = {"score": self.score_image_tensor(model, images), "logits": model(images)[0]}
    if self.per_layer:
      result["layer_scores"] = self.layer_image_tensor(model, images)
    return result

  @default_settings()
  def score_images(self, model: TappedModel, images: Any) -> Scores:
    """Scores float32 `[N]` of images `[N, ...]` in the model's bounds, or a Dataset of batches."""
    self._check_fitted()
    self._check_model(model)
    return self._run_images(self.score_image_tensor, model, images)

  def layer_score_images(self, model: TappedModel, images: Any) -> dict[str, Scores]:
    """Such scores by layer name."""
    self._check_fitted()
    self._check_model(model)
    columns = self._run_images(self.layer_image_tensor, model, images).T
    return dict(zip(self.layers_, columns, strict=True))

  def score_tensor(self, features: Features, logits: Tensor) -> NoReturn:
    """Cannot be told from taps."""
    raise self._needs_images()

  def score(self, taps: Taps, *, per_layer: bool = False) -> NoReturn:
    """Cannot be told from taps."""
    raise self._needs_images()

  def _needs_images(self) -> InputError:
    return InputError(
      "a detector that reads taps", f"{self.key}, which reads images", "call score_images"
    )

  def _over_images(
    self, function: Callable[[TappedModel, Tensor], Tensor], data: AdvTrain
  ) -> Array:
    """A tensor function of model and images over the AdvTrain rows `[N, ...]`."""
    assert data.model is not None
    return np.concatenate([self._run_images(function, data.model, part) for part in data.images])

  def _run_images(
    self, function: Callable[[TappedModel, Tensor], Tensor], model: TappedModel, images: Any
  ) -> Array:
    """Runs it in padded batches of one shape, with one trace a model."""
    batches = images if isinstance(images, tf.data.Dataset) else [images]
    compiled = self._compiled.setdefault(
      (function.__name__, model),
      tf.function(lambda unit: function(model, unit), autograph=False),
    )
    parts = []
    for element in batches:
      batch = element[0] if isinstance(element, tuple) else element  # (images, labels)
      for start in range(0, max(len(batch), 1), _BATCH):
        unit = model.to_unit(batch[start : start + _BATCH])
        padding = [(0, _BATCH - len(unit))] + [(0, 0)] * (unit.ndim - 1)
        parts.append(compiled(tf.constant(np.pad(unit, padding))).numpy()[: len(unit)])
    if not parts:
      raise InputError("at least one image", "none", "pass images")
    return self._finite(np.asarray(np.concatenate(parts), np.float32))
