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

# Flags are checked without Keras, so its constructors are named here.
_KERAS = (
  "ConvNeXtBase", "ConvNeXtLarge", "ConvNeXtSmall", "ConvNeXtTiny", "ConvNeXtXLarge",
  "DenseNet121", "DenseNet169", "DenseNet201", "EfficientNetB0", "EfficientNetB1",
  "EfficientNetB2", "EfficientNetB3", "EfficientNetB4", "EfficientNetB5", "EfficientNetB6",
  "EfficientNetB7", "EfficientNetV2B0", "EfficientNetV2B1", "EfficientNetV2B2",
  "EfficientNetV2B3", "EfficientNetV2L", "EfficientNetV2M", "EfficientNetV2S",
  "InceptionResNetV2", "InceptionV3", "MobileNet", "MobileNetV2", "MobileNetV3Large",
  "MobileNetV3Small", "NASNetLarge", "NASNetMobile", "ResNet101", "ResNet101V2", "ResNet152",
  "ResNet152V2", "ResNet50", "ResNet50V2", "VGG16", "VGG19", "Xception",
)  # fmt: skip
APPLICATIONS = {name.lower(): name for name in _KERAS}  # of keras.applications

# name -> constructor(input_shape, num_classes, seed=0, weights=None)
MODELS: Registry[Callable[..., keras.Model]] = Registry({
  "resnet18_3d": "hfc_tf.models.resnet18:resnet18_3d",
  "resnet18": "hfc_tf.models.resnet18:resnet18",
  "small_resnet": "hfc_tf.models.resnet18:small_resnet",
  **{name: f"hfc_tf.models.applications:{name}" for name in APPLICATIONS},
})  # fmt: skip
