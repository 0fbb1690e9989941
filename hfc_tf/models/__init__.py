"""Classifiers by the name that the flags use; each ends in a linear layer named "logits"."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hfc_tf.lazy import Registry, exports

if TYPE_CHECKING:
  import keras

  from hfc_tf.models.applications import resnet50, vgg16
else:
  __getattr__, __dir__ = exports(__name__, {"resnet50": "applications", "vgg16": "applications"})

__all__ = ["MODELS", "resnet50", "vgg16"]

# name -> constructor(input_shape, num_classes, seed=0, weights=None)
MODELS: Registry[Callable[..., keras.Model]] = Registry({
  "resnet18_3d": "hfc_tf.models.resnet18_3d:resnet18_3d",
  "resnet50": "hfc_tf.models.applications:resnet50",
  "small_resnet": "hfc_tf.models.small_resnet:small_resnet",
  "vgg16": "hfc_tf.models.applications:vgg16",
})  # fmt: skip
