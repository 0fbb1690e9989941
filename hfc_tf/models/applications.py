"""ResNet-50 and VGG-16 with the graph and the layer names of keras.applications."""

import keras

from hfc_tf.errors import InputError
from hfc_tf.models.weights import set_weights
from hfc_tf.surroundings import default_settings


@default_settings()
def resnet50(
  input_shape: tuple[int, ...], num_classes: int, seed: int = 0, weights: str | None = None
) -> keras.Model:
  """ResNet-50 (He et al., CVPR 2016): 49 ReLU taps, global average pooling, one dense layer.

  Args:
    input_shape: (H, W, C), H and W at least 32 pixels.
    num_classes: units of the layer "logits".
    seed: decides the initial weights.
    weights: None, a weights file or "imagenet" (see `hfc_tf.models.weights.set_weights`).

  Raises:
    InputError: the shape is too small or not two-dimensional, or `weights` do not fit.
  """
  body = keras.applications.ResNet50(
    include_top=False, weights=None, input_tensor=_images(input_shape, "resnet50"), pooling="avg"
  )
  logits = keras.layers.Dense(num_classes, name="logits")(body.output)  # [N, K]
  model = keras.Model(body.input, logits, name="resnet50")
  return set_weights(model, seed, weights, imagenet=keras.applications.ResNet50)


@default_settings()
def vgg16(
  input_shape: tuple[int, ...],
  num_classes: int,
  seed: int = 0,
  weights: str | None = None,
  units: int = 4096,
) -> keras.Model:
  """VGG-16 (Simonyan and Zisserman, ICLR 2015): taps on 13 convolutions, fc1 and fc2.

  It has no BatchNorm: from scratch it wants a learning rate of about 3e-4; at 1e-3 it is slower to
  leave the larger class.

  Args:
    input_shape: (H, W, C), H and W at least 32 pixels; fc1 adapts to them.
    num_classes: units of the layer "logits".
    seed: decides the initial weights and the dropout.
    weights: None, a weights file or "imagenet" (see `hfc_tf.models.weights.set_weights`).
    units: width of fc1 and fc2, each followed by dropout of one half.

  Raises:
    InputError: the shape is too small or not two-dimensional, or `weights` do not fit.
  """
  body = keras.applications.VGG16(
    include_top=False, weights=None, input_tensor=_images(input_shape, "vgg16")
  )
  x = keras.layers.Flatten(name="flatten")(body.output)  # [N, 512 H/32 W/32]
  for index, name in enumerate(("fc1", "fc2")):
    x = keras.layers.Dense(units, activation="relu", name=name)(x)  # [N, units]
    x = keras.layers.Dropout(0.5, seed=2 * seed + index, name=f"{name}_dropout")(x)
  logits = keras.layers.Dense(num_classes, name="logits")(x)  # [N, K]
  model = keras.Model(body.input, logits, name="vgg16")
  return set_weights(model, seed, weights, imagenet=keras.applications.VGG16)


def _images(input_shape: tuple[int, ...], name: str) -> keras.KerasTensor:
  if len(input_shape) != 3 or min(input_shape[:2]) < 32:
    raise InputError(
      expected=f"images of (H, W, C) with H and W at least 32 for {name}",
      found=f"{tuple(input_shape)}",
      remedy="raise --image_size or take --model=small_resnet; for volumes that or resnet18_3d",
    )
  return keras.Input(input_shape, name="images")  # [N, H, W, C]
