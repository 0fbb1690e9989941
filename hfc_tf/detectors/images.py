"""Detectors that look at the images themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import tensorflow as tf

from hfc_tf.detectors.base import Detector, Features, Scores
from hfc_tf.detectors.learning import AdvTrain, Array, Tensor
from hfc_tf.errors import InputError
from hfc_tf.inputs import batches
from hfc_tf.surroundings import default_settings
from hfc_tf.taps import TappedModel, Taps

_BATCH = 16


class ImageDetector(Detector):
  """A detector whose score is a function of classifier and images.

      detector.fit(train, clean=..., adversarial=..., model=model,
                   images={"clean": ..., "adversarial": ...})
      detector.score_images(model, images)

  A subclass learns in `_learn`, by means of `_over_images`, and scores in `layer_image_tensor` and
  `join`, or else in `score_image_tensor`.
  """

  reads = "images"

  def layer_image_tensor(self, model: TappedModel, images: Tensor) -> Tensor:
    """Scores `[B, L]` of each of `layers_` alone, of images `[B, ...]` in [0, 1]."""
    raise NotImplementedError

  def score_image_tensor(self, model: TappedModel, images: Tensor) -> Tensor:
    """Scores `[B]` of images `[B, ...]` in [0, 1]; higher = adversarial."""
    return self.join(self.layer_image_tensor(model, images))

  def outputs(self, model: TappedModel, images: Tensor) -> dict[str, Tensor]:
    """See `Detector.outputs`."""
    logits = model(images)[0]
    if not self.per_layer:
      return {"score": self.score_image_tensor(model, images), "logits": logits}
    layers = self.layer_image_tensor(model, images)
    return {"score": self.join(layers), "logits": logits, "layer_scores": layers}

  @default_settings()
  def score_images(self, model: TappedModel, images: Any) -> Scores:
    """Scores float32 `[N]` of images `[N, ...]` in the model's bounds, or a Dataset of batches."""
    self._check_ready()
    self._check_model(model)
    return self._run_images(self.score_image_tensor, model, images)

  @default_settings()
  def layer_score_images(self, model: TappedModel, images: Any) -> dict[str, Scores]:
    """Such scores by layer name."""
    self._check_ready(per_layer=True)
    self._check_model(model)
    columns = self._run_images(self.layer_image_tensor, model, images).T
    return dict(zip(self.layers_, columns, strict=True))

  def score_tensor(self, features: Features, logits: Tensor) -> NoReturn:
    """Cannot be told from taps."""
    raise InputError(
      "a detector that reads taps", f"{self.key}, which reads images", "call score_images"
    )

  def score(self, taps: Taps, *, per_layer: bool = False) -> NoReturn:
    """Cannot be told from taps."""
    self.score_tensor({}, None)

  def _over_images(
    self, function: Callable[[TappedModel, Tensor], Tensor], data: AdvTrain
  ) -> Array:
    """A tensor function of model and images over the AdvTrain rows `[N, ...]`."""
    assert data.model is not None
    return self._run_images(function, data.model, *data.images)

  def _run_images(
    self, function: Callable[[TappedModel, Tensor], Tensor], model: TappedModel, *images: Any
  ) -> Array:
    """Runs it over arrays or Datasets, one after the other, in padded batches of one shape."""

    def padded(unit: Tensor) -> Tensor:
      missing = [[0, _BATCH - tf.shape(unit)[0]], *[[0, 0]] * len(model.input_shape)]
      whole = tf.ensure_shape(tf.pad(unit, missing), [_BATCH, *model.input_shape])
      return function(model, whole)[: tf.shape(unit)[0]]

    chunks = (
      batches(each, _BATCH) if isinstance(each, tf.data.Dataset) or len(each) else [(each, None)]
      for each in images
    )
    units = ((model.to_unit(batch),) for chunk in chunks for batch, _ in chunk)
    signature = [tf.TensorSpec([None, *model.input_shape], tf.float32)]
    return self._batched((function.__name__, model), padded, signature, units)
