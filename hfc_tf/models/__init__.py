"""Classifiers by the name that the flags use; each ends in a linear layer named "logits"."""

from collections.abc import Callable

import keras

from hfc_tf.models.applications import resnet50, vgg16
from hfc_tf.models.resnet18_3d import resnet18_3d
from hfc_tf.models.small_resnet import small_resnet

# name -> constructor(input_shape, num_classes, seed=0, weights=None)
MODELS: dict[str, Callable[..., keras.Model]] = {
  "resnet18_3d": resnet18_3d,
  "resnet50": resnet50,
  "small_resnet": small_resnet,
  "vgg16": vgg16,
}
