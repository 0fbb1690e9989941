"""A thin ResNet-18 for two cores."""

from typing import Any

import keras

from hfc_tf.errors import InputError
from hfc_tf.models.weights import set_weights
from hfc_tf.surroundings import default_settings


@default_settings()
def small_resnet(
  input_shape: tuple[int, ...],
  num_classes: int,
  seed: int = 0,
  weights: str | None = None,
  widths: tuple[int, ...] = (16, 32, 64, 128),
) -> keras.Model:
  """ResNet-18 (He et al., CVPR 2016) with thin stages: 17 ReLU taps, 2-D or 3-D.

  A stem of stride 2, then two residual blocks per width, each stage but the first of stride 2.
  BatchNorm momentum is 0.9, since trainings are a few hundred steps long.

  Args:
    input_shape: (H, W, C) or (D, H, W, C).
    num_classes: units of the layer "logits".
    seed: decides the initial weights.
    weights: None or a weights file (see `hfc_tf.models.weights.set_weights`).
    widths: channels of each stage; the stem has those of the first.

  Raises:
    InputError: the shape is neither 2-D nor 3-D, or `weights` do not fit.
  """
  if len(input_shape) not in (3, 4):
    raise InputError(
      expected="images of (H, W, C) or (D, H, W, C) for small_resnet",
      found=f"{tuple(input_shape)}",
      remedy="give every image its channel axis",
    )
  images = keras.Input(input_shape, name="images")  # [N, (D,) H, W, C]
  x = convolution(images, widths[0], 3, 2, "stem")
  logits = residual_stages(x, widths, num_classes)  # [N, K]
  return set_weights(keras.Model(images, logits, name="small_resnet"), seed, weights)


def residual_stages(x: Any, widths: tuple[int, ...], num_classes: int) -> Any:
  """All of a ResNet-18 but the stem's convolution: ReLU, two blocks per width, pool, logits.

  Args:
    x: what the stem's convolution and BatchNorm return, [N, (D,) H, W, widths[0]].
    widths: channels of each stage; each but the first begins with stride 2.
    num_classes: units of the layer "logits".

  Returns:
    [N, num_classes].
  """
  x = _relu(x, "stem")
  for stage, width in enumerate(widths, start=1):
    for block in (1, 2):
      stride = 2 if stage > 1 and block == 1 else 1
      x = _block(x, width, stride, f"stage{stage}_block{block}")
  layers = keras.layers
  pool = layers.GlobalAveragePooling2D if len(x.shape) == 4 else layers.GlobalAveragePooling3D
  x = pool(name="pool")(x)  # [N, C]
  return layers.Dense(num_classes, name="logits")(x)  # [N, K]


def convolution(x: Any, width: int, size: int, stride: int | tuple[int, ...], name: str) -> Any:
  """Convolution and BatchNorm; the convolution needs no bias beside BatchNorm's."""
  layer = keras.layers.Conv2D if len(x.shape) == 4 else keras.layers.Conv3D
  x = layer(width, size, stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
  return keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)


def _block(x: Any, width: int, stride: int, name: str) -> Any:
  """The basic block; the shortcut is projected where its shape changes."""
  y = _relu(convolution(x, width, 3, stride, f"{name}_1"), f"{name}_1")
  y = convolution(y, width, 3, 1, f"{name}_2")
  if x.shape[-1] != width or stride != 1:
    x = convolution(x, width, 1, stride, f"{name}_shortcut")
  return _relu(keras.layers.Add(name=f"{name}_add")([x, y]), f"{name}_2")


def _relu(x: Any, name: str) -> Any:
  return keras.layers.ReLU(name=f"{name}_relu")(x)
